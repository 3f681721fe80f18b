<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use Illuminate\Foundation\Application;
use Redis;

/** What is left in the database and in Redis: jobs, failed jobs, batches, cache entries, locks, rows. */
final class Stores
{
    public function __construct(private readonly Application $app, private readonly Plain $plain) {}

    /** @return array<string, mixed> */
    public function all(): array
    {
        $all = [...$this->rows(), ...$this->otherFailedJobs(), ...(getenv('KQUEUE_TEST_CONNECTION') === 'redis' ? $this->keys() : [])];
        ksort($all);

        return $all;
    }

    /** @return array<string, mixed> */
    private function rows(): array
    {
        $all = [];

        foreach ($this->table('jobs') as $row) {
            $payload = json_decode($row->payload, true) ?? ['raw' => $row->payload];
            $all["jobs {$row->queue} ".$this->label($payload)][] = [
                'attempts' => $row->attempts,
                'reserved' => $row->reserved_at !== null,
                'available' => $this->plain->until($row->available_at),
                'payload' => $this->plain->payload($payload),
            ];
        }

        foreach ($this->table('failed_jobs') as $row) {
            $payload = json_decode($row->payload, true) ?? ['raw' => $row->payload];
            $all["failed_jobs {$row->queue} ".$this->label($payload)][] = [
                'connection' => $row->connection,
                'uuid' => match ($row->uuid ?? null) {
                    null => 'none',
                    $payload['uuid'] ?? null => 'of the payload',
                    default => 'another',
                },
                'exception' => $this->plain->text(preg_replace('/ in \S+:\d+$/', '', strtok($row->exception, "\n"))),
                'payload' => $this->plain->payload($payload),
            ];
        }

        foreach ($this->table('job_batches') as $row) {
            $all["job_batches {$row->name}"][] = [
                'jobs' => [$row->total_jobs, $row->pending_jobs, $row->failed_jobs],
                'failed' => array_map($this->plain->text(...), json_decode($row->failed_job_ids, true)),
                'cancelled' => $row->cancelled_at !== null,
                'finished' => $row->finished_at !== null,
            ];
        }

        foreach ($this->table('cache') as $row) {
            $all['cache '.$this->plain->text($row->key)][] = [$this->cached($row->value), $this->plain->until($row->expiration)];
        }

        foreach ($this->table('cache_locks') as $row) {
            $all['lock '.$this->plain->text($row->key)][] = $this->plain->until($row->expiration);
        }

        foreach ($this->table('rows') as $row) {
            $all["rows {$row->owner}"][] = $row->kind;
        }

        foreach ($this->table('notifications') as $row) {
            $all["notifications {$row->data}"][] = class_basename($row->type);
        }

        return array_map(static function (array $rows): array {
            sort($rows);

            return $rows;
        }, $all);
    }

    /** @return array<string, mixed> where they are not in the database */
    private function otherFailedJobs(): array
    {
        if (str_starts_with((string) $this->app['config']['queue.failed.driver'], 'database')) {
            return [];
        }

        $all = [];

        foreach ($this->app['queue.failer']->all() as $failed) {
            $all["failed job {$failed->queue}"][] = [$this->plain->text(strtok($failed->exception, "\n")), $this->plain->payload(json_decode($failed->payload, true))];
        }

        return $all;
    }

    /** @return list<object> */
    private function table(string $name): array
    {
        return $this->app['db']->table($name)->get()->all();
    }

    /** @return array<string, mixed> */
    private function keys(): array
    {
        $redis = $this->app['redis']->connection()->client();
        $redis->setOption(Redis::OPT_PREFIX, '');
        $all = [];

        foreach ($redis->keys('*') as $key) {
            $ttl = $redis->ttl($key);
            $all['redis '.$this->plain->text($key)][] = [
                match ($redis->type($key)) {
                    Redis::REDIS_LIST => array_map($this->member(...), $redis->lRange($key, 0, -1)),
                    Redis::REDIS_ZSET => $this->scores($redis->zRange($key, 0, -1, true)),
                    Redis::REDIS_STRING => $this->cached($redis->get($key)),
                    Redis::REDIS_HASH => $this->plain->value($redis->hGetAll($key)),
                    default => 'of another type',
                },
                $ttl > 0 ? $this->plain->until(time() + $ttl) : 'for ever',
            ];
        }

        return $all;
    }

    /**
     * @param  array<string, float>  $members
     * @return list<mixed>
     */
    private function scores(array $members): array
    {
        $all = [];

        foreach ($members as $member => $score) {
            $all[] = [$this->member((string) $member), $this->plain->until($score)];
        }

        sort($all);

        return $all;
    }

    private function member(string $member): mixed
    {
        $payload = json_decode($member, true);

        return is_array($payload) ? $this->plain->payload($payload) : $this->plain->text($member);
    }

    /** Cached values are serialized; what is not is the owner of a lock, or a number. */
    private function cached(string $value): mixed
    {
        $plain = @unserialize($value);

        return match (true) {
            is_numeric($value) => $this->plain->value(+$value),
            $plain !== false || $value === 'b:0;' => is_string($plain) && preg_match('/^\w{40}$/', $plain) ? '<token>' : $this->plain->value($plain),
            default => '<owner>',
        };
    }

    /** @param  array<string, mixed>  $payload */
    private function label(array $payload): string
    {
        return (string) ($payload['label'] ?? class_basename($payload['displayName'] ?? 'unnamed'));
    }
}
