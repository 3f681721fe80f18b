<?php

declare(strict_types=1);

namespace KQueue\Worker;

use Illuminate\Queue\RedisQueue;
use Illuminate\Queue\Worker;
use KQueue\Support\Laravel;
use Throwable;

/**
 * Where the workers of Laravel 10 to 13 differ, for what extends them; the rest is in Laravel.php. Checked against 13.31.
 *
 * What a version does not have is absent here too, or does nothing.
 */
abstract class LaravelWorker extends Worker
{
    /** Laravel 10 does not count them. */
    protected $jobsProcessed;

    protected $lastJobProcessedAt;

    /** Whether a job or the queue found its database gone. Before Laravel 13, it is shouldQuit that says so: nothing else sets it here. */
    public function hasLostConnection(): bool
    {
        return $this->lostConnection ?? $this->shouldQuit;
    }

    /** Whether the application set shouldQuit. Before Laravel 13, it cannot be told from a lost connection, after which the run goes on. */
    public function wasToldToQuit(): bool
    {
        return $this->shouldQuit && property_exists($this, 'lostConnection');
    }

    public function forgetLostConnection(): void
    {
        $this->{property_exists($this, 'lostConnection') ? 'lostConnection' : 'shouldQuit'} = false;
    }

    /** As Laravel decides it, and under the same condition. */
    public function isLostConnection(Throwable $e): bool
    {
        return (self::$stopOnLostConnection ?? true) && $this->causedByLostConnection($e);
    }

    public function memoryExitStatus(): int
    {
        return self::$memoryExceededExitCode ?? self::EXIT_MEMORY_LIMIT;
    }

    /** Tells the running job of a stop signal, if it wants to know. Laravel 10 to 12 tell nobody. */
    protected function notify(int $signal): void
    {
        if (method_exists($this, 'notifyJobOfSignal')) {
            $this->notifyJobOfSignal($signal);
        }
    }

    /** Which queues are known to be paused, so that it is announced once; whether a queue after the first had the last job. */
    protected function memory(object $queues): string
    {
        return serialize([$this->pausedQueues ?? [], $queues instanceof RedisQueue && Laravel::secondaryQueueHadJob($queues)]);
    }

    /** @param  string  $memory  what memory() of another worker told, or nothing */
    protected function remember(object $queues, string $memory): void
    {
        if ($memory === '') {
            return;
        }

        [$paused, $secondary] = unserialize($memory, ['allowed_classes' => false]);

        if (property_exists($this, 'pausedQueues')) {
            $this->pausedQueues = $paused;
        }

        if ($queues instanceof RedisQueue) {
            Laravel::secondaryQueueHadJob($queues, $secondary);
        }
    }
}
