<?php

declare(strict_types=1);

namespace KQueue\Worker;

use Illuminate\Contracts\Queue\Job;
use Illuminate\Database\ConnectionInterface;
use Illuminate\Database\DatabaseManager;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobReleasedAfterException;
use Illuminate\Queue\Events\JobTimedOut;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;
use KQueue\Contracts\LaneContext;
use KQueue\Support\Laravel;
use PDO;
use Throwable;

/**
 * Laravel's worker without its loop: pops and runs one job at a time as Laravel does, for a lane, an isolated child or the
 * rescue of a dead runner's jobs.
 *
 * Laravel's timeout handler (SIGALRM, then SIGKILL to the process) is never registered; the engine throws into the lane instead.
 * Overrides handleJobException($connectionName, $job, WorkerOptions $options, Throwable $e), whose signature is the same from
 * Laravel 10 to 13.31, and failJob($job, Throwable $e), which is so too. Calls getNextJob, daemonShouldRun, runJob, timeoutForJob,
 * calculateBackoff and the markJobAsFailed methods.
 */
class LaneWorker extends LaravelWorker
{
    /** The note in the engine with what a worker remembers from one pop to the next. */
    private const LAST_POP = 'last pop';

    /** Null outside of lanes, where there is no run to ask about. */
    protected ?LaneContext $engine = null;

    private ?DatabaseManager $databases = null;

    private bool $timedOut = false;

    private bool $settles = false;

    /** Whether what deals with a failed job may load its class. */
    private bool $mayLoad = true;

    /** @var array<string, int> the transactions that were open when the job began: none in a lane, that of a test in its own process */
    private array $levels = [];

    /** @var array<string, true> the connections that the job left a transaction open on */
    private array $leftOpen = [];

    /** Takes over the parts of the worker that the application built. */
    public static function from(Worker $worker, ?LaneContext $engine, ?DatabaseManager $databases): static
    {
        $lane = new static($worker->manager, $worker->events, $worker->exceptions, $worker->isDownForMaintenance, $worker->resetScope);
        $lane->engine = $engine;
        $lane->databases = $databases;

        return $lane;
    }

    /** Not in maintenance, not paused, and no listener of Looping objects. */
    public function shouldRun(string $connection, string $queue, WorkerOptions $options): bool
    {
        $this->paused = $this->engine?->isPaused() ?? false;

        return $this->daemonShouldRun($options, $connection, $queue);
    }

    /** What Laravel resets between two jobs of a worker. */
    public function resetScope(): void
    {
        if (isset($this->resetScope)) {
            ($this->resetScope)();
        }
    }

    /** With what a single worker remembers from one pop to the next: the run's lanes pass it on. */
    public function pop(string $connection, string $queue): ?Job
    {
        $queues = $this->manager->connection($connection);

        $this->remember($queues, (string) $this->engine?->note(self::LAST_POP));

        try {
            return $this->getNextJob($queues, $queue);
        } finally {
            $this->engine?->note(self::LAST_POP, $this->memory($queues));
        }
    }

    /** Runs the job with all of Laravel's events, retries and reports; what the job throws is dealt with here. */
    public function run(string $connection, Job $job, WorkerOptions $options): void
    {
        $this->jobBegins();
        $this->runJob($job, $connection, $options);
    }

    protected function jobBegins(): void
    {
        $this->timedOut = false;
        $this->levels = array_map(static fn (ConnectionInterface $connection): int => $connection->transactionLevel(), $this->databases?->getConnections() ?? []);
    }

    /** A stop signal came: the running job is told, if it wants to know. */
    public function interrupt(int $signal): void
    {
        try {
            $this->notify($signal);
        } catch (Throwable $e) {
            $this->report($e);
        }
    }

    /** Whether the last job overran its timeout in this lane. */
    public function timedOut(): bool
    {
        return $this->timedOut = $this->engine?->timedOut() || $this->timedOut;
    }

    /** Seconds the job may take; null is without limit. */
    public function timeoutOf(Job $job, WorkerOptions $options): ?float
    {
        $seconds = (float) $this->timeoutForJob($job, $options);

        return $seconds > 0 ? $seconds : null;
    }

    /** @return int|string|null the time of the last queue:restart, to be compared only */
    public function restartedAt(): int|string|null
    {
        return $this->getTimestampOfLastQueueRestart();
    }

    public function fireIdle(string $connection, string $queue, WorkerOptions $options): void
    {
        if ($event = Laravel::workerIdle($connection, $queue, $options)) {
            $this->events->dispatch($event);
        }
    }

    public function report(Throwable $e): void
    {
        try {
            $this->exceptions->report($e);
        } catch (Throwable $unreported) {
            error_log("kqueue: {$e->getMessage()} (and reporting it failed: {$unreported->getMessage()})");
        }
    }

    /**
     * The job ended without throwing (its process died, it called exit()): a failed attempt, as if it had thrown $e.
     *
     * @param  bool  $mayLoad  its class: otherwise its failed() is not called
     */
    public function failAttempt(Job $job, WorkerOptions $options, Throwable $e, bool $mayLoad = true): void
    {
        $this->end($mayLoad, fn () => parent::handleJobException($job->getConnectionName(), $job, $options, $e));
    }

    /** The job overran its timeout, and what ran it is gone; $e tells more of that than Laravel's exception does. */
    public function timeOut(Job $job, WorkerOptions $options, ?Throwable $e = null, bool $mayLoad = true): void
    {
        $this->end($mayLoad, fn () => $this->handleTimeout($job, $options, $e));
    }

    /** @param  callable(): void  $settle */
    private function end(bool $mayLoad, callable $settle): void
    {
        $this->rollBackOpenTransactions();
        $this->mayLoad = $mayLoad;

        try {
            $this->settle($settle);
        } catch (Throwable $thrown) {
            $this->report($thrown);
        } finally {
            $this->mayLoad = true;
        }
    }

    /**
     * Without its class: all that Job::fail() does but its failed().
     *
     * @param  Job  $job
     */
    #[\Override]
    protected function failJob($job, Throwable $e)
    {
        if ($this->mayLoad) {
            parent::failJob($job, $e);

            return;
        }

        $job->markAsFailed();

        if (! $job->isDeleted()) {
            $job->delete();
            $this->events->dispatch(new JobFailed($job->getConnectionName(), $job, $e));
        }
    }

    /** Something was thrown around the job. If nobody has settled the job since, it was not run to its end. */
    public function failOutsideAttempt(Job $job, WorkerOptions $options, Throwable $e): void
    {
        if ($job->isDeleted() || $job->isReleased() || $job->hasFailed()) {
            $this->report($e);
        } elseif ($this->isTimeout($e)) {
            $this->timeOut($job, $options);
        } else {
            $this->failAttempt($job, $options, $e);
        }
    }

    /**
     * The job has ended: rolls back what it left open.
     *
     * @return list<string> the names of the connections that had an open transaction, also as it failed
     */
    public function leftOpen(): array
    {
        $this->rollBackOpenTransactions();
        [$open, $this->leftOpen] = [$this->leftOpen, []];

        return array_keys($open);
    }

    /** So that nothing of it is committed later. */
    private function rollBackOpenTransactions(): void
    {
        foreach ($this->databases?->getConnections() ?? [] as $name => $connection) {
            $pdo = $connection->getRawPdo();
            $before = $this->levels[$name] ?? 0;
            $byServer = $before === 0 && $pdo instanceof PDO && $pdo->inTransaction();

            if ($connection->transactionLevel() <= $before && ! $byServer) {
                continue;
            }

            $this->leftOpen[(string) $name] = true;

            try {
                $connection->rollBack($before);
            } catch (Throwable) {
                $connection->disconnect();
            }

            // A raw BEGIN: Laravel did not count it, so it could not roll it back.
            if ($before === 0 && $pdo instanceof PDO && $pdo->inTransaction()) {
                $connection->disconnect();
            }
        }
    }

    /**
     * @param  string  $connectionName
     * @param  Job  $job
     */
    #[\Override]
    protected function handleJobException($connectionName, $job, WorkerOptions $options, Throwable $e)
    {
        // Otherwise the release below may become part of a transaction that the job began and nobody will commit.
        $this->rollBackOpenTransactions();

        $this->settle(function () use ($connectionName, $job, $options, $e): void {
            if ($this->isTimeout($e)) {
                $this->handleTimeout($job, $options);
            }

            parent::handleJobException($connectionName, $job, $options, $e);
        });
    }

    /**
     * With the descriptors that are kept back for it: what a job does wrong, or that there are none left for it, must not keep it from
     * being released or written to failed_jobs. Laravel deletes it from the queue first.
     *
     * @param  callable(): void  $settle
     */
    public function settle(callable $settle): void
    {
        if ($this->settles || $this->engine === null) {
            $settle();

            return;
        }

        $this->engine->settling($this->settles = true);

        try {
            $settle();
        } finally {
            $this->engine->settling($this->settles = false);
        }
    }

    /** Libraries may have wrapped the engine's exception, or thrown their own because a wait was cut short. */
    private function isTimeout(?Throwable $e): bool
    {
        if ($this->timedOut()) {
            return true;
        }

        for (; $e !== null; $e = $e->getPrevious()) {
            if (is_a($e, 'KQueue\Exception\JobTimedOut')) {
                return true;
            }
        }

        return false;
    }

    /**
     * What Laravel's timeout handler does, up to the point where it kills the process: this one lives on and can release the
     * job at once instead of leaving it reserved until retry_after.
     *
     * @throws Throwable always: Laravel's TimeoutExceededException, or what came up on the way
     */
    private function handleTimeout(Job $job, WorkerOptions $options, ?Throwable $e = null): never
    {
        $connection = $job->getConnectionName();
        $e ??= $this->timeoutExceededException($job);

        try {
            $this->markJobAsFailedIfWillExceedMaxAttempts($connection, $job, (int) $options->maxTries, $e);
            $this->markJobAsFailedIfWillExceedMaxExceptions($connection, $job, $e);
            $this->markJobAsFailedIfItShouldFailOnTimeout($connection, $job, $e);

            $this->events->dispatch(new JobTimedOut($connection, $job, $this->timeoutForJob($job, $options)));
        } finally {
            if (! $job->isDeleted() && ! $job->isReleased() && ! $job->hasFailed()) {
                $backoff = $this->calculateBackoff($job, $options);

                $job->release($backoff);

                $this->events->dispatch(new JobReleasedAfterException($connection, $job, $backoff, $e));
            }
        }

        throw $e;
    }
}
