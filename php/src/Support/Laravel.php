<?php

declare(strict_types=1);

namespace KQueue\Support;

use Closure;
use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Events\WorkerIdle;
use Illuminate\Queue\Events\WorkerInterrupted;
use Illuminate\Queue\Events\WorkerPausing;
use Illuminate\Queue\Events\WorkerResuming;
use Illuminate\Queue\Events\WorkerStarting;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Queue\RedisQueue;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;
use Illuminate\Queue\WorkerStopReason;

/**
 * Where Laravel 10 to 13 differ; checked against 13.31. What workers inherit is in LaravelWorker.php.
 *
 * Events that a version does not have are null. An event that takes fewer arguments than it is given ignores the rest, as
 * PHP functions do.
 */
final class Laravel
{
    public static function workerStarting(string $connection, string $queue, WorkerOptions $options): ?object
    {
        return class_exists(WorkerStarting::class) ? new WorkerStarting($connection, $queue, $options) : null;
    }

    public static function workerIdle(string $connection, string $queue, WorkerOptions $options): ?object
    {
        return class_exists(WorkerIdle::class) ? new WorkerIdle($connection, $queue, $options) : null;
    }

    public static function workerInterrupted(int $signal, string $connection, string $queue, WorkerOptions $options): ?object
    {
        return class_exists(WorkerInterrupted::class) ? new WorkerInterrupted($signal, $connection, $queue, $options) : null;
    }

    public static function workerPausing(string $connection, string $queue, WorkerOptions $options): ?object
    {
        return class_exists(WorkerPausing::class) ? new WorkerPausing($connection, $queue, $options) : null;
    }

    public static function workerResuming(string $connection, string $queue, WorkerOptions $options): ?object
    {
        return class_exists(WorkerResuming::class) ? new WorkerResuming($connection, $queue, $options) : null;
    }

    public static function workerStopping(
        int $status,
        WorkerOptions $options,
        ?string $reason,
        int $jobsProcessed,
        ?float $lastJobProcessedAt,
        string $connection,
        string $queue,
    ): object {
        return new WorkerStopping(
            $status,
            $options,
            self::stopReason($reason),
            $jobsProcessed,
            $lastJobProcessedAt,
            memory_get_usage(true) / 1024 / 1024,
            $connection,
            $queue,
        );
    }

    /** @return WorkerStopReason|null Laravel 10 and 11 have none */
    public static function stopReason(?string $reason): ?object
    {
        return $reason !== null && enum_exists(WorkerStopReason::class) ? WorkerStopReason::tryFrom($reason) : null;
    }

    /** Whether queue:restart concerns workers. */
    public static function isRestartable(): bool
    {
        return Worker::$restartable ?? true;
    }

    /** Seconds without a job after which a run is to end (0: none); Laravel 10 does not have the option. */
    public static function stopWhenEmptyFor(WorkerOptions $options): float
    {
        return (float) ($options->stopWhenEmptyFor ?? 0);
    }

    /** Since Laravel 11, the class of the command remembers that its listeners were registered, for whatever application. */
    public static function forgetListeners(): void
    {
        if (method_exists(WorkCommand::class, 'flushState')) {
            WorkCommand::flushState();
        }
    }

    /** The list of ready jobs; ":reserved", ":delayed" and ":notify" are appended to it. */
    public static function redisKey(RedisQueue $queue, string $name): string
    {
        // Public getQueue() knows nothing of the hash tags that a cluster needs; the method that does came later.
        return method_exists($queue, 'getQueueRedisKey')
            ? Closure::bind(static fn (): string => $queue->getQueueRedisKey($name), null, RedisQueue::class)()
            : $queue->getQueue($name);
    }

    /** Whether a queue after the first had the last job: the next pop then does not block on the first. Sets it if told to. */
    public static function secondaryQueueHadJob(RedisQueue $queue, ?bool $had = null): bool
    {
        return Closure::bind(static function () use ($queue, $had): bool {
            if (! property_exists($queue, 'secondaryQueueHadJob')) {
                return false;
            }

            return $queue->secondaryQueueHadJob = $had ?? $queue->secondaryQueueHadJob;
        }, null, RedisQueue::class)();
    }
}
