<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Closure;
use Illuminate\Contracts\Queue\Queue as QueueContract;
use Illuminate\Queue\Queue;

/** A third party's queue: its jobs are lines of a file, which is locked while it is read and written anew. */
final class FileQueue extends Queue implements QueueContract
{
    public function __construct(private readonly string $path, private readonly string $default, private readonly int $retryAfter) {}

    public function size($queue = null): int
    {
        return $this->pendingSize($queue) + $this->delayedSize($queue) + $this->reservedSize($queue);
    }

    public function pendingSize($queue = null): int
    {
        return $this->count($queue, static fn (array $job): bool => $job['available_at'] <= time() && $job['reserved_until'] === 0);
    }

    public function delayedSize($queue = null): int
    {
        return $this->count($queue, static fn (array $job): bool => $job['available_at'] > time());
    }

    public function reservedSize($queue = null): int
    {
        return $this->count($queue, static fn (array $job): bool => $job['available_at'] <= time() && $job['reserved_until'] !== 0);
    }

    public function creationTimeOfOldestPendingJob($queue = null): ?int
    {
        return null;
    }

    public function push($job, $data = '', $queue = null)
    {
        return $this->enqueueUsing($job, $this->createPayload($job, $this->name($queue), $data), $queue, null, fn (string $payload): string => $this->pushRaw($payload, $queue));
    }

    public function pushRaw($payload, $queue = null, array $options = [])
    {
        return $this->add($payload, $queue, 0, 0);
    }

    public function later($delay, $job, $data = '', $queue = null)
    {
        return $this->enqueueUsing($job, $this->createPayload($job, $this->name($queue), $data), $queue, $delay, fn (string $payload): string => $this->add($payload, $queue, $this->availableAt($delay), 0));
    }

    public function pop($queue = null): ?FileJob
    {
        $found = $this->change(function (array &$jobs) use ($queue): ?array {
            foreach ($jobs as &$job) {
                if ($job['queue'] === $this->name($queue) && $job['available_at'] <= time() && $job['reserved_until'] <= time()) {
                    $job['reserved_until'] = time() + $this->retryAfter;
                    $job['attempts']++;

                    return $job;
                }
            }

            return null;
        });

        return $found === null ? null : new FileJob($this->container, $this, $this->connectionName, $found);
    }

    /** @param  array<string, mixed>  $reserved  nothing happens if it is another worker's by now */
    public function finish(array $reserved, ?int $delay): void
    {
        $this->change(static function (array &$jobs) use ($reserved, $delay): void {
            if (($jobs[$reserved['id']] ?? null) !== $reserved) {
                return;
            }

            unset($jobs[$reserved['id']]);

            if ($delay !== null) {
                $jobs[$reserved['id']] = ['available_at' => time() + $delay, 'reserved_until' => 0] + $reserved;
            }
        });
    }

    private function add(string $payload, ?string $queue, int $availableAt, int $attempts): string
    {
        $id = bin2hex(random_bytes(8));
        $job = ['id' => $id, 'queue' => $this->name($queue), 'payload' => $payload, 'attempts' => $attempts, 'available_at' => $availableAt, 'reserved_until' => 0];

        $this->change(static function (array &$jobs) use ($id, $job): void {
            $jobs[$id] = $job;
        });

        return $id;
    }

    private function count(?string $queue, Closure $which): int
    {
        return $this->change(fn (array &$jobs): int => count(array_filter($jobs, fn (array $job): bool => $job['queue'] === $this->name($queue) && $which($job))));
    }

    private function name(?string $queue): string
    {
        return $queue ?: $this->default;
    }

    private function change(Closure $change): mixed
    {
        $file = fopen($this->path, 'c+');
        flock($file, LOCK_EX);

        try {
            $before = stream_get_contents($file);
            $jobs = $before === '' ? [] : unserialize($before);
            $result = $change($jobs);

            if (($after = serialize($jobs)) !== $before) {
                rewind($file);
                ftruncate($file, 0);
                fwrite($file, $after);
            }

            return $result;
        } finally {
            fclose($file);
        }
    }
}
