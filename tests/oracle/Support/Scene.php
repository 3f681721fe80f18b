<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use Closure;
use Illuminate\Bus\PendingBatch;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Foundation\Application;
use Illuminate\Queue\Events\WorkerIdle;
use Illuminate\Support\Facades\Bus;
use KQueue\Tests\E2E\App\Row;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\Oracle\App\Actions;
use KQueue\Tests\Oracle\App\BatchJob;
use KQueue\Tests\Oracle\App\Job;
use RuntimeException;

/** What a case has at hand: an application to queue jobs with, and the worker, while it runs. */
final class Scene
{
    public ?Process $worker = null;

    /** @param  string  $queue  the case's own; whatever it leaves in a store has this in its name */
    public function __construct(public readonly Application $app, public readonly string $queue, private readonly string $folder) {}

    public function job(string $action, mixed ...$arguments): Job
    {
        return $this->make(Job::class, $action, ...$arguments);
    }

    /**
     * @template T of Job
     *
     * @param  class-string<T>  $class
     * @return T
     */
    public function make(string $class, string $action, mixed ...$arguments): Job
    {
        return (new $class($action, ...$arguments))->onQueue($this->queue);
    }

    public function push(object ...$jobs): void
    {
        foreach ($jobs as $job) {
            dispatch($job);
        }
    }

    /** Jobs that do nothing, by these names. */
    public function pushNothing(string ...$labels): void
    {
        foreach ($labels as $label) {
            $this->push($this->job('nothing')->with(['label' => $label]));
        }
    }

    /** As if it had been reserved so often already. */
    public function setAttempts(int $attempts): void
    {
        if (getenv('KQUEUE_TEST_CONNECTION') === 'database') {
            $this->app['db']->table('jobs')->where('queue', $this->queue)->update(['attempts' => $attempts]);

            return;
        }

        $redis = $this->app['redis']->connection();
        $payloads = $redis->lrange("queues:{$this->queue}", 0, -1);
        $redis->del("queues:{$this->queue}");

        foreach ($payloads as $payload) {
            $redis->rpush("queues:{$this->queue}", json_encode(['attempts' => $attempts] + json_decode($payload, true)));
        }
    }

    /** Jobs that do nothing, on another queue than the case's first. */
    public function pushOn(string $suffix, string ...$labels): void
    {
        foreach ($labels as $label) {
            $this->push($this->job('nothing')->with(['label' => $label])->onQueue("{$this->queue}-{$suffix}"));
        }
    }

    public function row(string $kind = 'parent'): Row
    {
        return Row::create(['owner' => $this->queue, 'kind' => $kind]);
    }

    public function batch(object ...$jobs): PendingBatch
    {
        return Bus::batch($jobs)->name($this->queue)->onQueue($this->queue);
    }

    public function batchJob(string $action, mixed ...$arguments): BatchJob
    {
        return $this->make(BatchJob::class, $action, ...$arguments);
    }

    public function notes(string $what): Closure
    {
        return Actions::notes($this->queue, $what);
    }

    public function artisan(string $command, array $arguments = []): void
    {
        $status = $this->app->make(Kernel::class)->call($command, $arguments);

        $status === 0 || throw new RuntimeException("artisan {$command} ended with status {$status}.");
    }

    /** Jobs that wait for it go on. */
    public function go(): void
    {
        touch("{$this->folder}/go");
    }

    /** Returns when the worker has taken note of it. */
    public function signal(int $signal): void
    {
        $event = match ($signal) {
            SIGUSR2 => 'WorkerPausing',
            SIGCONT => 'WorkerResuming',
            default => 'WorkerInterrupted',
        };
        $before = count($this->record($event));
        $this->worker->signal($signal);

        if (Installed::has("Illuminate\\Queue\\Events\\{$event}")) {
            $this->waitFor($event, $before + 1);
        } else {
            // Nothing tells: it only has to be sooner than what the case does next.
            usleep(500_000);
        }
    }

    /** @return list<array<string, mixed>> what the worker did so far */
    public function record(string $beginning = ''): array
    {
        $lines = is_file("{$this->folder}/record") ? file("{$this->folder}/record") : [];
        $entries = array_map(static fn (string $line): array => json_decode($line, true) ?? ['what' => ''], $lines);

        return array_values(array_filter($entries, static fn (array $entry): bool => str_starts_with($entry['what'], $beginning)));
    }

    /** Until it has done this so often. */
    public function waitFor(string $beginning, int $times = 1): void
    {
        $this->waitUntil(fn (): bool => count($this->record($beginning)) >= $times, "{$beginning} ({$times} times)");
    }

    /** Until the worker has looked for a job and found none. */
    public function waitUntilIdle(): void
    {
        Installed::has(WorkerIdle::class) ? $this->waitFor('WorkerIdle') : $this->waitFor('JobPopping', 2);
    }

    /** Until nothing has happened for so long but that the worker looks for jobs. */
    public function waitUntilQuiet(float $seconds): void
    {
        $this->waitFor('JobPopping');
        [$seen, $since] = [0, microtime(true)];

        $this->waitUntil(function () use ($seconds, &$seen, &$since): bool {
            $count = count(array_filter($this->record(), static fn (array $entry): bool => ! preg_match('/^(Looping|JobPopping)/', $entry['what'])));
            $count === $seen || [$seen, $since] = [$count, microtime(true)];

            return microtime(true) - $since >= $seconds;
        }, "{$seconds} seconds without a job");
    }

    public function waitUntil(callable $condition, string $what): void
    {
        for ($end = microtime(true) + 30; ; usleep(10_000)) {
            // Asked before, so that what it did at last is seen.
            $goesOn = $this->worker === null || $this->worker->isRunning();

            if ($condition()) {
                return;
            }

            if (microtime(true) > $end || ! $goesOn) {
                throw new RuntimeException("Waited in vain for: {$what}. The worker printed:\n{$this->worker?->output()}");
            }
        }
    }
}
