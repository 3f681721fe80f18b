<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\DatabaseQueue;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Jobs\DatabaseJob;
use Illuminate\Queue\Jobs\DatabaseJobRecord;
use Illuminate\Queue\Jobs\RedisJob;
use Illuminate\Queue\RedisQueue;
use Illuminate\Queue\WorkerOptions;
use KQueue\Exception\RunnerDied;
use KQueue\Isolation\Policy;
use KQueue\Isolation\Profile;
use KQueue\Support\JobFailure;
use KQueue\Support\Laravel;
use KQueue\Worker\LaneWorker;
use Throwable;

/**
 * Deals with the jobs that were in flight in a runner that ended. One that took it down has failed an attempt, as have all that may
 * have done so where nobody knows which it was; the others go back to the queue as if they had never been reserved.
 *
 * Only where the queue object is exactly Laravel's own for Redis or databases, or Horizon's, which keeps its jobs as Laravel does;
 * the jobs of other drivers come back when their reservation ends (retry_after, visibility timeout, a closed connection).
 */
final class LostJobs
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

    private const DRIVERS = [RedisQueue::class, self::HORIZON, DatabaseQueue::class];

    /** The job whose attempt is made a failed one; it outlives a fatal error in what it has to say of that. */
    private RedisJob|DatabaseJob|null $failing = null;

    /** @param  Profile|null  $profile  null: classes are not isolated for what they do */
    public function __construct(
        private readonly Application $app,
        private readonly LaneWorker $worker,
        private readonly WorkerOptions $options,
        private readonly ?Profile $profile,
    ) {}

    /**
     * @param  array{id: string, class: string, connection: string, queue: string, attempts?: int, cause: string|null, guilty?: bool, ended?: bool, timed_out?: bool, error?: string|null}  $job
     *                                                                                                                                                                             error: what ended the last call for it
     */
    public function __invoke(array $job): void
    {
        try {
            $outcome = match (true) {
                $job['cause'] === null => $this->giveBack($job),
                $job['ended'] ?? false => $this->isolateEnded($job),
                default => $this->fail($job),
            };
        } catch (Throwable $e) {
            $this->worker->report($e);
            $outcome = "stays reserved until its retry_after: {$e->getMessage()}";
        }

        $this->app->make('log')->warning("kqueue: a runner died; {$job['class']} [{$job['id']}] on [{$job['connection']}:{$job['queue']}] {$outcome}");
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

    /**
     * What it had left behind in its lane took the runner down: the job itself has ended as it did.
     *
     * @param  array{class: string, cause: string, guilty?: bool}  $job
     */
    private function isolateEnded(array $job): string
    {
        if (! ($job['guilty'] ?? true)) {
            return "was the last of the jobs of a lane that took it down with what they had left behind ({$job['cause']}).";
        }

        return "took it down with what it had left behind ({$job['cause']})."
            .($this->isolate($job, null, mayLoad: true) ? ' Its class runs isolated from now on.' : '');
    }

    /** @param  array{id: string, class: string, connection: string, queue: string, attempts?: int, cause: string, guilty?: bool, timed_out?: bool, error?: string|null}  $reserved */
    private function fail(array $reserved): string
    {
        $error = $reserved['error'] ?? null;
        $settled = $error !== null && $this->failing !== null && ($this->failing->isDeleted() || $this->failing->isReleased());
        $queue = $this->app->make('queue')->connection($reserved['connection']);

        // If it has ended a process by loading its class or by what it does when it has failed, then without either.
        $mayLoad = $error === null;
        $job = $settled ? $this->failing : match (get_class($queue)) {
            RedisQueue::class, self::HORIZON => $this->redisJob($queue, $reserved),
            DatabaseQueue::class => $this->databaseJob($queue, $reserved),
            default => null,
        };

        $this->failing = $job;
        $did = ($reserved['guilty'] ?? true) ? "took it down ({$reserved['cause']})" : "was one of those that may have taken it down ({$reserved['cause']})";
        $isolates = ($reserved['guilty'] ?? true) && $this->isolate($reserved, $job, $mayLoad);

        $then = $isolates ? ' Its class runs isolated from now on.' : '';

        if ($job === null) {
            return $did.(in_array(get_class($queue), self::DRIVERS, true) ? ', and was no longer reserved.' : ', and comes back when its reservation ends.').$then;
        }

        $death = ($reserved['guilty'] ?? true) ? JobFailure::runnerDied($job, $reserved['cause']) : JobFailure::runnerDiedOfOne($job, $reserved['cause']);

        if ($settled) {
            $this->endFailure($job, $death);
        } elseif ($reserved['timed_out'] ?? false) {
            $this->worker->timeOut($job, $this->options, $death, $mayLoad);
        } else {
            $this->worker->failAttempt($job, $this->options, $death, $mayLoad);
        }

        return "{$did}: a failed attempt.{$then}"
            .($error === null ? '' : " What it does when it has failed ended with a fatal error as well: {$error}");
    }

    /** @param  array{class: string, cause: string}  $reserved */
    private function isolate(array $reserved, RedisJob|DatabaseJob|null $job, bool $mayLoad): bool
    {
        $payload = $job?->payload() ?? ['displayName' => $reserved['class']];

        if ($this->profile === null || Policy::isSaid($payload, $mayLoad)) {
            return false;
        }

        return $this->profile->addCrashed(Policy::classOf($payload), $reserved['cause']);
    }

    /** The queue has been told before the fatal error came; those who record failures have not. */
    private function endFailure(RedisJob|DatabaseJob $job, RunnerDied $death): void
    {
        if ($job->hasFailed()) {
            $this->app->make('events')->dispatch(new JobFailed($job->getConnectionName(), $job, $death));
        }

        $this->worker->report($death);
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

        return $row === null ? null : new DatabaseJob($this->app, $queue, new DatabaseJobRecord((object) $row), $reserved['connection'], $reserved['queue']);
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
