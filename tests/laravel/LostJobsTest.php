<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\RedisQueue;
use Illuminate\Queue\WorkerOptions;
use KQueue\Isolation\Profile;
use KQueue\Process\LostJobs;
use KQueue\Tests\Laravel\Fixtures\PlainKQueueJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\RedisServer;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use KQueue\Worker\LaneWorker;
use PHPUnit\Framework\Attributes\TestWith;

/** What becomes of the jobs of a runner that died, on a real database and a real Redis. */
final class LostJobsTest extends TestCase
{
    private string $connection = 'database';

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_an_innocent_job_is_first_again_and_has_no_attempt(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob('first'), new TestJob('second'));
        $first = $this->queue()->pop();
        self::assertSame(1, $first->attempts());

        $this->rescue($first, null);
        $again = $this->queue()->pop();

        self::assertSame(1, $again->attempts());
        self::assertSame($first->uuid(), $again->uuid());
        self::assertSame('second', unserialize($this->queue()->pop()->payload()['data']['command'])->name);
        self::assertNull($this->queue()->pop());
        self::assertStringContainsString(TestJob::class." [{$first->getJobId()}] on [{$connection}:default] was given back without counting the attempt.", $this->log());
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_a_job_that_is_no_longer_reserved_is_left_alone(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob);
        $job = $this->queue()->pop();
        $job->delete();
        $this->rescue($job, null);

        self::assertSame(0, $this->queue()->size());
        self::assertStringContainsString('was no longer reserved', $this->log());
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_another_workers_reservation_is_left_alone(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob);
        $job = $this->queue()->pop();
        $this->rescue($job, null, attempts: 2);

        self::assertNull($this->queue()->pop());
        self::assertStringContainsString('was no longer reserved', $this->log());
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_the_culprit_has_failed_an_attempt(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob('culprit', tries: 2, backoff: '0'));

        $this->rescue($this->queue()->pop(), 'killed by signal 11 (SIGSEGV)');
        self::assertSame([], $this->failedJobs());
        self::assertSame(1, $this->queue()->size());
        self::assertSame('took its process down (killed by signal 11 (SIGSEGV))', (new Profile($this->app['cache.store']))->all()[TestJob::class]['reason']);

        $second = $this->queue()->pop();
        self::assertSame(2, $second->attempts());
        $this->rescue($second, 'killed by signal 11 (SIGSEGV)');

        self::assertSame(0, $this->queue()->size());
        self::assertCount(1, $this->failedJobs());
        self::assertStringContainsString('The runner died while '.TestJob::class.' ran in it: killed by signal 11 (SIGSEGV).', $this->failedJobs()[0]->exception);
        self::assertSame([['culprit failed']], array_map(fn (string $ran): array => [strtok($ran, ':')], Recorder::$ran));
    }

    #[TestWith([null, true, true])]
    #[TestWith([false, true, false])]
    #[TestWith([null, false, false])]
    public function test_whose_class_runs_isolated_from_then_on(?bool $says, bool $on, bool $isolates): void
    {
        $this->use('database');
        $job = new PlainKQueueJob;
        $job->isolated = $says;
        $this->push($job);
        $this->newLostJobs($on)($this->inFlight($this->queue()->pop(), 'killed by signal 11 (SIGSEGV)'));

        self::assertSame($isolates ? [PlainKQueueJob::class] : [], array_keys((new Profile($this->app['cache.store']))->all()));
        self::assertSame($isolates, str_contains($this->log(), 'Its class runs isolated from now on.'));
        self::assertStringContainsString('took it down (killed by signal 11 (SIGSEGV)): a failed attempt.', $this->log());
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_a_culprit_that_had_overrun_its_timeout_has_timed_out(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob('stuck', tries: 5, failOnTimeout: true));

        $this->newLostJobs()(['timed_out' => true] + $this->inFlight($this->queue()->pop(), 'the runner was killed because it hung in one call'));

        self::assertSame(0, $this->queue()->size());
        self::assertStringContainsString('it hung in one call', $this->failedJobs()[0]->exception, 'the true cause');
        self::assertCount(1, Recorder::all(\Illuminate\Queue\Events\JobTimedOut::class));
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_many_at_once(string $connection): void
    {
        $this->use($connection);
        $this->push(...array_map(fn (int $i) => new TestJob("job {$i}"), range(1, 30)));
        $jobs = array_map(fn () => $this->queue()->pop(), range(1, 30));
        array_map($this->newLostJobs(), array_map(fn ($job): array => $this->inFlight($job, null), $jobs));

        $attempts = array_map(fn () => $this->queue()->pop()->attempts(), range(1, 30));
        self::assertSame(array_fill(0, 30, 1), $attempts);
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_other_drivers_are_left_to_themselves(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob);
        $job = $this->queue()->pop();
        $queue = $this->queue();
        $other = $connection === 'redis'
            ? new class($this->app['redis']) extends RedisQueue {}
        : new class($queue->getDatabase(), 'jobs') extends \Illuminate\Queue\DatabaseQueue {};
        $this->app['queue']->addConnector('other', fn () => new class($other)
        {
            public function __construct(private object $queue) {}

            public function connect(array $config): object
            {
                return $this->queue;
            }
        });
        $this->app['config']->set('queue.connections.other', ['driver' => 'other']);
        $this->newLostJobs()(['connection' => 'other'] + $this->inFlight($job, null));

        self::assertNull($queue->pop());
        self::assertStringContainsString('comes back when its reservation ends', $this->log());
    }

    #[TestWith(['redis'])]
    public function test_a_waiting_worker_is_woken(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob);
        $job = $this->queue()->pop();
        self::assertSame(0, $this->app['redis']->connection()->llen('queues:default:notify'));
        $this->rescue($job, null);

        self::assertSame(1, $this->app['redis']->connection()->llen('queues:default:notify'));
    }

    #[TestWith(['redis'])]
    public function test_what_cannot_be_rescued_is_told(string $connection): void
    {
        $this->use($connection);
        $this->push(new TestJob);
        $job = $this->queue()->pop();
        $this->app['config']->set('database.redis.default.port', 1);
        $this->app->forgetInstance('redis');
        $this->app->forgetInstance('queue');
        $this->rescue($job, null);

        self::assertStringContainsString('stays reserved until its retry_after: Connection refused', $this->log());
    }

    private function use(string $connection): void
    {
        $this->connection = $connection;

        // In production, a listener of the command.
        $this->app['events']->listen(JobFailed::class, fn (JobFailed $event) => $this->app['queue.failer']->log(
            $event->connectionName, $event->job->getQueue(), $event->job->getRawBody(), $event->exception,
        ));

        if ($connection === 'redis') {
            $port = RedisServer::port() ?? self::markTestSkipped('There is no redis-server, or no phpredis.');
            $this->app['config']->set('database.redis.default.port', $port);
            $this->app->forgetInstance('redis');
            $this->app['redis']->connection()->flushdb();
        }
    }

    private function queue(): \Illuminate\Contracts\Queue\Queue
    {
        return $this->app['queue']->connection($this->connection);
    }

    private function push(object ...$jobs): void
    {
        foreach ($jobs as $job) {
            $this->queue()->push($job);
        }
    }

    private function rescue(object $job, ?string $cause, ?int $attempts = null): void
    {
        $this->newLostJobs()($this->inFlight($job, $cause, $attempts));
    }

    /** @return array<string, mixed> */
    private function inFlight(object $job, ?string $cause, ?int $attempts = null): array
    {
        return [
            'id' => (string) $job->getJobId(),
            'class' => $job->resolveName(),
            'connection' => $this->connection,
            'queue' => $job->getQueue(),
            'attempts' => $attempts ?? $job->attempts(),
            'cause' => $cause,
        ];
    }

    private function newLostJobs(bool $isolates = true): LostJobs
    {
        $profile = $isolates ? new Profile($this->app['cache.store']) : null;

        return new LostJobs($this->app, LaneWorker::from($this->app['queue.worker'], null, $this->app['db']), new WorkerOptions, $profile);
    }
}
