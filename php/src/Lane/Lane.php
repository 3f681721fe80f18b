<?php

declare(strict_types=1);

namespace KQueue\Lane;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Jobs\DatabaseJob;
use Illuminate\Queue\Jobs\RedisJob;
use Illuminate\Queue\WorkerOptions;
use KQueue\Application\LaneApplication;
use KQueue\Application\Probe;
use KQueue\Child\ChildWorker;
use KQueue\Contracts\Engine;
use KQueue\Isolation\AutoIsolation;
use KQueue\Isolation\Policy;
use KQueue\Output\JobOutput;
use KQueue\Output\RunConsole;
use KQueue\Support\Clock;
use KQueue\Support\JobFailure;
use KQueue\Support\Laravel;
use KQueue\Support\Settings;
use KQueue\Worker\JobCleanup;
use KQueue\Worker\LaneWorker;
use KQueue\Worker\Life;
use Throwable;

/**
 * A lane's life: stand in line, lead, take a job, run it, clean up, stand in line again.
 *
 * To the job it is a queue:work process: own application, own statics, own connections. What belongs to the run as a whole (counts,
 * stop reasons) is asked of the engine and never kept here.
 */
final class Lane
{
    /** Between two looks at the queue even with --sleep=0, so that the leader cannot keep the others from running. */
    private const LEAST_SLEEP = 0.01;

    /** Between two looks whether there are descriptors for another job. */
    private const SHORT_SLEEP = 0.1;

    /** Notes in the engine: the run's first lane has been looked at; lanes lack something. */
    private const CHECKED = 'lanes checked';

    private const LACKS = 'lanes lack something';

    private readonly WorkerOptions $options;

    private readonly JobCleanup $leftovers;

    private readonly IdleConnections $connections;

    private readonly Life $life;

    private bool $looked = false;

    /** Why this lane ends before the run does: the status and the reason that a worker would stop with. */
    private array $ending = [0, 'max_jobs'];

    public function __construct(
        private readonly Application $app,
        private readonly Engine $engine,
        private readonly LaneWorker $worker,
        private readonly Policy $policy,
        private readonly IsolatedRun $isolatedRun,
        private readonly Settings $settings,
        private readonly JobOutput $lines,
    ) {
        $this->options = $settings->workerOptions();
        $this->leftovers = new JobCleanup($app, $worker);
        $this->connections = new IdleConnections($app, $engine, $settings->idleConnections);
        $this->life = new Life($app, $worker, $settings);
    }

    /**
     * What the engine calls in a new lane.
     *
     * @param  array<string, mixed>  $settings
     * @param  array<string, list<string>>  $process  what a lane must have, see Probe
     */
    public static function main(array $settings, array $process = []): void
    {
        $app = LaneApplication::begin($settings);

        try {
            self::checkFirst($app, $process);
            self::make($app, Settings::fromArray($settings))->run();
        } finally {
            LaneApplication::end($app);
        }
    }

    /**
     * The first lane of a run looks whether it is like the process.
     *
     * @param  array<string, list<string>>  $process
     */
    private static function checkFirst(Application $app, array $process): void
    {
        $engine = $app->make(Engine::class);

        if ($process === [] || $engine->note(self::CHECKED, 'yes') !== '') {
            return;
        }

        if (($missing = Probe::missing($process, Probe::of($app))) === []) {
            return;
        }

        $engine->note(self::LACKS, 'yes');
        $message = 'KQueue runs every job isolated: lanes lack what booting has left in the process ('.implode('; ', $missing)
            .'). Probably a file declares something and does this as well; do it in a service provider instead.';
        $app->make('log')->warning($message);
        $engine->write($message.PHP_EOL);
    }

    public static function make(Application $app, Settings $settings, ?Engine $engine = null, ?LaneWorker $worker = null, ?JobOutput $lines = null): self
    {
        $engine ??= $app->make(Engine::class);
        $worker ??= $app->make('queue.worker');
        $lines ??= $app->make(RunConsole::class)->lines();
        $observer = new AutoIsolation($app, $engine, $settings->autoSlice, $settings->autoMemory);
        $isolateAll = $settings->isolateAll || $engine->note(self::LACKS) !== '';
        $policy = new Policy($settings->isolate, $isolateAll, $settings->maxMemory, $observer);

        return new self($app, $engine, $worker, $policy, new IsolatedRun($app, $engine, $worker, $policy, $settings), $settings, $lines);
    }

    /** Returns when the run is over, or when the lane is to be replaced because a job left something behind in it. */
    public function run(): void
    {
        try {
            while (($leads = $this->engine->lead($this->patience())) !== false) {
                $this->connections->tidy();

                if ($this->life->rest()) {
                    $this->ending = [0, 'empty_for'];

                    return;
                }

                if ($leads === null) {
                    continue;
                }

                $job = $this->settings->once ? $this->takeOnly() : $this->take();

                $goesOn = ($job === null || $this->work($job)) && ! $this->worker->hasLostConnection();

                // A lane that lost a connection goes, and its connections with it: the next one connects anew.
                if (! $goesOn) {
                    $this->ending = $this->worker->hasLostConnection() ? [0, 'lost_connection'] : $this->ending;

                    return;
                }
            }
        } catch (Throwable $e) {
            $thrown = true;
            $this->worker->report($e);

            if ($this->goesOnAfter($e)) {
                $this->worker->sleep(1);
            } else {
                // As in queue:work: what a listener throws between two jobs ends the worker, and whoever supervises it starts another.
                $this->engine->stop(1, 'error');
            }
        } finally {
            $stopping = $this->engine->isStopping();

            if ($stopping && $this->engine->jobsInFlight() === 0) {
                $this->policy->writeDown();
            }

            $stopping
                ? $this->life->end($this->engine->exitStatus(), $this->engine->stopReason(), ! isset($thrown))
                : $this->life->end(...$this->ending);
        }
    }

    /** Seconds that this lane may stand in line before it has something to do there; null: for ever. */
    private function patience(): ?float
    {
        [$connections, $life] = [$this->connections->patience(), $this->life->patience()];

        return $connections === null || $life === null ? $connections ?? $life : min($connections, $life);
    }

    /** As leader: one look at the queue, with all of the checks that queue:work makes between two looks. */
    private function take(): ?Job
    {
        // To the run's first lane it is the start of the worker even if there is no job.
        if ($this->engine->note('worker began') === '') {
            $this->engine->note('worker began', 'yes');
            $this->life->begin();
        }

        if ($this->stopsBeforeTaking()) {
            return null;
        }

        if ($this->engine->isShort()) {
            $this->engine->idle(self::SHORT_SLEEP);

            return null;
        }

        $sleep = (float) $this->options->sleep;
        $this->looked = true;

        // A job that runs now may queue another before it ends: the queue is empty only if none ran when the look at it began.
        $noneRuns = $this->engine->jobsInFlight() === 0;

        if (! $this->worker->shouldRun($this->settings->connection, $this->settings->queue, $this->options)) {
            $this->engine->idle($sleep > 0 ? $sleep : 1.0);
            $this->stopsWhenEmpty($noneRuns);

            return null;
        }

        $this->worker->resetScope();
        $job = $this->worker->pop($this->settings->connection, $this->settings->queue);

        if ($job !== null) {
            return $job;
        }

        $this->worker->fireIdle($this->settings->connection, $this->settings->queue, $this->options);

        if (! $this->stopsWhenEmpty($noneRuns)) {
            $this->engine->idle(max($sleep, self::LEAST_SLEEP));
        }

        return null;
    }

    /** With --once, queue:work looks once and makes no checks; if there is nothing it sleeps before it ends. */
    private function takeOnly(): ?Job
    {
        $job = $this->worker->pop($this->settings->connection, $this->settings->queue);

        if ($job === null) {
            $this->engine->idle((float) $this->options->sleep);
            $this->engine->stop(0, 'empty');
        }

        return $job;
    }

    /** In Laravel's order; and, as there, nothing but a restart keeps a new worker from its first job. */
    private function stopsBeforeTaking(): bool
    {
        $reserved = $this->engine->jobsReserved();
        $began = $this->looked || $reserved > 0;
        $limits = $this->options;

        [$status, $reason] = match (true) {
            $began && $this->worker->wasToldToQuit() => [0, 'interrupted'],
            $began && $this->worker->memoryExceeded($limits->memory) => [$this->worker->memoryExitStatus(), 'memory'],
            // Loosely, as Laravel compares it: some cache stores return numbers as strings.
            $this->worker->restartedAt() != $this->settings->restartedAt => [0, 'restart_signal'],
            $began && $limits->maxTime > 0 && Clock::now() - $this->settings->startedAt >= $limits->maxTime => [0, 'max_time'],
            $limits->maxJobs > 0 && $reserved >= $limits->maxJobs => [0, 'max_jobs'],
            default => [0, null],
        };

        return $reason !== null && $this->stop($status, $reason);
    }

    private function stopsWhenEmpty(bool $noneRuns): bool
    {
        if (! $noneRuns) {
            return false;
        }

        if ($this->options->stopWhenEmpty) {
            return $this->stop(0, $this->worker->hasLostConnection() ? 'lost_connection' : 'empty');
        }

        $seconds = Laravel::stopWhenEmptyFor($this->options);
        $idleFor = $this->engine->sinceLastFinished() ?? Clock::now() - $this->settings->startedAt;

        return $seconds > 0 && $idleFor >= $seconds && $this->stop(0, 'empty_for');
    }

    private function stop(int $status, string $reason): bool
    {
        $this->engine->stop($status, $reason);

        return true;
    }

    /** Runs the job and cleans up after it. False: this lane must not run another. */
    private function work(Job $job): bool
    {
        $name = $this->lines->take($job);

        // Before anything that may load the job's class: if the process falls over that, it is known over what.
        $this->engine->reserved([
            'id' => (string) $job->getJobId(),
            'class' => $name,
            'connection' => $this->settings->connection,
            'queue' => (string) $job->getQueue(),
            // Only the rescue asks for them; other drivers may have to ask their server.
            'attempts' => $job instanceof RedisJob || $job instanceof DatabaseJob ? $job->attempts() : 0,
        ]);

        if ($this->settings->once) {
            $this->engine->stop(0, 'max_jobs');
        }

        // Also if the job runs elsewhere: what becomes of it is told here.
        $this->life->beginForJob();

        $isolated = $this->policySays($job, $this->policy->isolates(...));
        $fresh = ! $isolated && ! $this->settings->fresh && $this->policySays($job, $this->policy->isFresh(...));
        $timeout = $this->settings->once ? null : $this->worker->timeoutOf($job, $this->options);

        $memory = $isolated ? 0 : $this->memoryOf($job);

        if (! $isolated) {
            $this->engine->begin($timeout, match (true) {
                $this->settings->once => null,
                $fresh => ChildWorker::interruptFresh(...),
                default => $this->worker->interrupt(...),
            }, $memory);
        }

        try {
            $reusable = match (true) {
                $isolated => $this->runIsolated($job, $timeout),
                $fresh => $this->runFresh($job),
                default => $this->runInline($job),
            };
            $timedOut = $this->worker->timedOut();
            $this->ending = $timedOut ? [1, 'timed_out'] : $this->ending;
            $reusable = $this->leftovers->remove($name) && $reusable && ! $timedOut;
        } catch (Throwable $e) {
            // Thrown beside the job: by the exception handler, or by a timeout just before or after it.
            $this->worker->failOutsideAttempt($job, $this->options, $e);
            $reusable = false;
        } finally {
            $this->engine->finished();
        }

        $this->life->worked();

        if (! $isolated) {
            $this->policySays($job, $this->policy->ran(...));
        }

        // A lane that goes closes and frees what its jobs have left in it, connections and all.
        $reusable = $reusable && ! $this->settings->fresh && ! $this->engine->isShort()
            && ($memory === 0 || ($this->engine->usage()['memory'] ?? 0) <= $memory << 20);

        $this->connections->jobEnded();
        $this->rest();

        return $reusable;
    }

    /** @return int MB that it may have; 0 is no limit */
    private function memoryOf(Job $job): int
    {
        try {
            return $this->policy->memoryOf((array) $job->payload());
        } catch (Throwable) {
            return 0;
        }
    }

    /** In short naps: a stop need not wait for its end. */
    private function rest(): void
    {
        for ($end = Clock::now() + (float) $this->options->rest; ! $this->engine->isStopping();) {
            if (($left = $end - Clock::now()) <= 0) {
                return;
            }

            $this->worker->sleep(min($left, 1.0));
        }
    }

    /** A connection is lost, or a descriptor not to be had, sooner than a reason to end hundreds of jobs; a run that is to end at once does end. */
    private function goesOnAfter(Throwable $e): bool
    {
        return $this->engine->isShort() || ! $this->settings->once && ! $this->options->stopWhenEmpty && $this->worker->isLostConnection($e);
    }

    /**
     * A payload or class that cannot be read is left to fail where Laravel lets it fail: in the job's own attempt.
     *
     * @param  callable(array<string, mixed>): ?bool  $policy
     */
    private function policySays(Job $job, callable $policy): bool
    {
        try {
            return (bool) $policy((array) $job->payload());
        } catch (Throwable) {
            return false;
        }
    }

    private function runInline(Job $job): bool
    {
        $returned = $this->engine->contain(fn () => $this->worker->run($this->settings->connection, $job, $this->options));

        if ($returned) {
            return true;
        }

        // A job that catches its timeout again and again is left in the same way as one that calls exit().
        if ($this->worker->timedOut()) {
            $this->worker->timeOut($job, $this->options);
        } else {
            $this->worker->failAttempt($job, $this->options, JobFailure::exited($job));
            $this->life->breakOff();
        }

        return false;
    }

    private function runIsolated(Job $job, ?float $timeout): bool
    {
        $this->isolatedRun->run($job, $this->options, $timeout);

        return true;
    }

    /** In an application of its own inside this lane, which keeps what its earlier jobs left in it. */
    private function runFresh(Job $job): bool
    {
        $this->isolatedRun->runFresh($job, $this->options);

        return true;
    }
}
