<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\DatabaseQueue;
use Illuminate\Queue\Jobs\DatabaseJob;
use Illuminate\Queue\Jobs\DatabaseJobRecord;
use Illuminate\Queue\Jobs\RedisJob;
use Illuminate\Queue\RedisQueue;
use Illuminate\Queue\WorkerOptions;
use KQueue\Exceptions\RunnerDied;
use KQueue\Isolated\Policy;
use KQueue\Isolated\Profile;
use KQueue\Lane\LaneWorker;
use KQueue\Support\Laravel;
use Throwable;

/**
 * Runs after a runner ended with jobs in flight. The job that took it down has failed an attempt; the others go back to the queue
 * as if they had never been reserved.
 *
 * Only where the queue object is exactly Laravel's own for Redis or databases, or Horizon's, which keeps its jobs as Laravel does;
 * the jobs of other drivers come back when their reservation ends (retry_after, visibility timeout, a closed connection).
 */
final class Rescue
{
    /**
     * Takes the reservation of a job back: the job is the first of its queue again, the attempt is not counted.
     *
     * KEYS: reserved, ready, notify. ARGV: the job's id, the attempts that the reservation counts, or "".
     */
    private const GIVE_BACK = <<<'LUA'
        for _, member in ipairs(redis.call('zrange', KEYS[1], 0, -1)) do
            local job = cjson.decode(member)

            if job['id'] == ARGV[1] and (ARGV[2] == '' or job['attempts'] == tonumber(ARGV[2])) then
                redis.call('zrem', KEYS[1], member)
                job['attempts'] = job['attempts'] - 1
                redis.call('lpush', KEYS[2], cjson.encode(job))
                redis.call('rpush', KEYS[3], 1)

                return 1
            end
        end

        return 0
        LUA;

    private const HORIZON = 'Laravel\Horizon\RedisQueue';

    /** @param  Profile|null  $profile  null: classes are not isolated for what they do */
    public function __construct(
        private readonly Application $app,
        private readonly LaneWorker $worker,
        private readonly WorkerOptions $options,
        private readonly ?Profile $profile,
    ) {}

    /** @param  list<array{id: string, class: string, connection: string, queue: string, attempts?: int, cause: string|null, timed_out?: bool}>  $jobs */
    public function __invoke(array $jobs): void
    {
        foreach ($jobs as $job) {
            try {
                $outcome = $job['cause'] === null ? $this->giveBack($job) : $this->fail($job);
            } catch (Throwable $e) {
                $this->worker->report($e);
                $outcome = "stays reserved until its retry_after: {$e->getMessage()}";
            }

            $this->app->make('log')->warning("kqueue: a runner died; {$job['class']} [{$job['id']}] on [{$job['connection']}:{$job['queue']}] {$outcome}");
        }
    }

    /** @param  array{id: string, connection: string, queue: string, attempts?: int}  $job */
    private function giveBack(array $job): string
    {
        $queue = $this->app->make('queue')->connection($job['connection']);

        $done = match (get_class($queue)) {
            RedisQueue::class, self::HORIZON => $this->giveBackToRedis($queue, $job),
            DatabaseQueue::class => $this->giveBackToDatabase($queue, $job),
            default => null,
        };

        return match ($done) {
            true => 'was given back without counting the attempt.',
            false => 'was no longer reserved.',
            null => 'comes back when its reservation ends.',
        };
    }

    /** @param  array{id: string, queue: string, attempts?: int}  $job */
    private function giveBackToRedis(RedisQueue $queue, array $job): bool
    {
        $key = Laravel::redisKey($queue, $job['queue']);

        return (bool) $queue->getConnection()->eval(
            self::GIVE_BACK, 3, $key.':reserved', $key, $key.':notify', $job['id'], (string) ($job['attempts'] ?? '')
        );
    }

    /** @param  array{id: string, attempts?: int}  $job */
    private function giveBackToDatabase(DatabaseQueue $queue, array $job): bool
    {
        $reserved = $this->reservedRow($queue, $job);

        return $reserved->update([
            'reserved_at' => null,
            'attempts' => $queue->getDatabase()->raw('attempts - 1'),
        ]) > 0;
    }

    /** @param  array{id: string, connection: string, queue: string, attempts?: int, cause: string, timed_out?: bool}  $reserved */
    private function fail(array $reserved): string
    {
        $queue = $this->app->make('queue')->connection($reserved['connection']);

        $job = match (get_class($queue)) {
            RedisQueue::class, self::HORIZON => $this->redisJob($queue, $reserved),
            DatabaseQueue::class => $this->databaseJob($queue, $reserved),
            default => null,
        };

        $isolates = $this->profile !== null && ($job === null || ! Policy::isSaid($job->payload()));

        if ($isolates) {
            $this->profile->addCrashed($reserved['class'], $reserved['cause']);
        }

        if ($job === null) {
            return "took it down ({$reserved['cause']}), and comes back when its reservation ends.";
        }

        $death = RunnerDied::during($job, $reserved['cause']);

        if ($reserved['timed_out'] ?? false) {
            $this->worker->timeOut($job, $this->options, $death);
        } else {
            $this->worker->failAttempt($job, $this->options, $death);
        }

        return "took it down ({$reserved['cause']}): a failed attempt.".($isolates ? ' Its class runs isolated from now on.' : '');
    }

    /** @param  array{id: string, connection: string, queue: string, attempts?: int}  $reserved */
    private function redisJob(RedisQueue $queue, array $reserved): ?RedisJob
    {
        $key = Laravel::redisKey($queue, $reserved['queue']).':reserved';

        foreach ($queue->getConnection()->zrange($key, 0, -1) as $member) {
            $payload = json_decode($member, true);

            if (($payload['id'] ?? null) !== $reserved['id'] || $payload['attempts'] !== ($reserved['attempts'] ?? $payload['attempts'])) {
                continue;
            }

            // RedisJob counts the attempts of the payload as it was before the reservation.
            $body = json_encode(['attempts' => $payload['attempts'] - 1] + $payload, JSON_UNESCAPED_UNICODE);

            return new RedisJob($this->app, $queue, $body, $member, $reserved['connection'], $reserved['queue']);
        }

        return null;
    }

    /** @param  array{id: string, connection: string, queue: string, attempts?: int}  $reserved */
    private function databaseJob(DatabaseQueue $queue, array $reserved): ?DatabaseJob
    {
        $row = $this->reservedRow($queue, $reserved)->first();

        return $row === null
            ? null
            : new DatabaseJob($this->app, $queue, new DatabaseJobRecord((object) $row), $reserved['connection'], $reserved['queue']);
    }

    /** @param  array{id: string, attempts?: int}  $job */
    private function reservedRow(DatabaseQueue $queue, array $job): \Illuminate\Database\Query\Builder
    {
        $table = (fn (): string => $this->table)->call($queue);

        return $queue->getDatabase()->table($table)
            ->where('id', $job['id'])
            ->whereNotNull('reserved_at')
            ->when(isset($job['attempts']), fn ($query) => $query->where('attempts', $job['attempts']));
    }
}
