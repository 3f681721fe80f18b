<?php

declare(strict_types=1);

namespace KQueue\Lane;

use Closure;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Jobs\RedisJob;
use Illuminate\Queue\ManuallyFailedException;
use Illuminate\Queue\WorkerOptions;
use KQueue\Child\ChildWorker;
use KQueue\Contracts\JobDelegation;
use KQueue\Isolation\Policy;
use KQueue\Output\RunConsole;
use KQueue\Support\JobFailure;
use KQueue\Support\Settings;
use KQueue\Worker\LaneWorker;
use Throwable;

/**
 * The lane's side of a job that runs elsewhere, in an isolated child or in a pristine application: keeps the real job, and
 * deletes or releases it as it is asked to. If the job's process or application does not get to the end, that is a failed
 * attempt, and the lane deals with it.
 */
final class IsolatedRun
{
    public function __construct(
        private readonly Application $app,
        private readonly JobDelegation $engine,
        private readonly LaneWorker $worker,
        private readonly Policy $policy,
        private readonly Settings $settings,
    ) {}

    public function run(Job $job, WorkerOptions $options, ?float $timeout): void
    {
        $payload = (array) $job->payload();

        $this->through($job, $options, fn (string $request, Closure $answer): array => $this->engine->isolate(
            $request,
            $answer,
            $timeout,
            $this->policy->memoryOf($payload),
            $this->policy->priorityOf($payload),
        ));
    }

    public function runFresh(Job $job, WorkerOptions $options): void
    {
        $settings = $this->settings->toArray();

        $this->through($job, $options, fn (string $request, Closure $answer): array => $this->engine->fresh(
            $request,
            static fn (string $request): string => ChildWorker::fresh($settings, $request),
            $answer,
        ));
    }

    /** @param  Closure(string, Closure(string): string): array{status: string, result: string, reason: string}  $run */
    private function through(Job $job, WorkerOptions $options, Closure $run): void
    {
        $recordsFailure = $unrecorded = $loads = false;

        $answer = static function (string $question) use ($job, &$recordsFailure, &$unrecorded, &$loads): string {
            ['action' => $action, 'delay' => $delay] = unserialize($question, ['allowed_classes' => false]);
            $unrecorded = $unrecorded || $action === 'unrecorded';

            $loads = match ($action) {
                'load' => true,
                'loaded' => false,
                default => $loads,
            };

            $recordsFailure = match ($action) {
                'fail' => true,
                'failed' => false,
                default => $recordsFailure,
            };

            // As in Job::fail(): whoever is told of the deletion can tell it from that of a job that is done.
            if ($action === 'delete' && $recordsFailure) {
                $job->markAsFailed();
            }

            return self::apply($job, $action, $delay);
        };

        $this->app->make(RunConsole::class)->lines()->beginElsewhere($job);

        $outcome = $run(serialize($this->request($job)), $answer);

        match ($outcome['status']) {
            'done' => $this->done($job, $options, $outcome['result']),
            'timeout' => $this->worker->timeOut($job, $options),
            // A fresh job that catches its timeout again and again is left in the same way as one that calls exit().
            'exited' => $this->worker->timedOut()
                ? $this->worker->timeOut($job, $options)
                : $this->lost($job, $options, JobFailure::exited($job), $recordsFailure),
            default => $this->lost($job, $options, JobFailure::childDied($job, $outcome['reason']), $recordsFailure, $loads),
        };

        // It has failed itself in a transaction that it left open: what was recorded of that was rolled back.
        if ($unrecorded) {
            $this->recordFailure($job, new ManuallyFailedException);
        }
    }

    /** @return array<string, mixed> what ChildWorker and ChildJob need */
    private function request(Job $job): array
    {
        return [
            'connection' => $this->settings->connection,
            'queue' => $job->getQueue(),
            'id' => $job->getJobId(),
            'attempts' => $job->attempts(),
            'body' => $job->getRawBody(),
            'reserved' => $job instanceof RedisJob ? $job->getReservedJob() : null,
        ];
    }

    /** @return string empty, or why it could not be done */
    private static function apply(Job $job, string $action, int $delay): string
    {
        try {
            match ($action) {
                'delete' => $job->delete(),
                'release' => $job->release($delay),
                'fail', 'failed', 'unrecorded', 'load', 'loaded' => null,
            };

            return '';
        } catch (Throwable $e) {
            return get_class($e).': '.$e->getMessage();
        }
    }

    /** @param  string  $error  empty, or why the child could not run the job */
    private function done(Job $job, WorkerOptions $options, string $error): void
    {
        if ($error !== '' && ! $job->isDeleted() && ! $job->isReleased()) {
            $this->worker->failAttempt($job, $options, JobFailure::childDied($job, $error));
        }
    }

    /** @param  bool  $loads  its class was being loaded */
    private function lost(Job $job, WorkerOptions $options, Throwable $e, bool $recordsFailure, bool $loads = false): void
    {
        if (! $job->isDeleted() && ! $job->isReleased()) {
            $this->worker->failAttempt($job, $options, $e, mayLoad: ! $loads);

            return;
        }

        // The queue has already been told how the attempt ended; only the record of a final failure may be missing.
        if ($recordsFailure) {
            $this->recordFailure($job, $e);
        }

        $this->worker->report($e);
    }

    private function recordFailure(Job $job, Throwable $e): void
    {
        $job->markAsFailed();
        $this->app->make('events')->dispatch(new JobFailed($job->getConnectionName(), $job, $e));
    }
}
