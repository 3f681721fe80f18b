<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Contracts\Cache\Repository as Cache;
use Illuminate\Contracts\Queue\Factory;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\JobTimedOut;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Queue\MaxAttemptsExceededException;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;
use KQueue\InProcess\Worker as InProcessWorker;
use KQueue\Support\Laravel;
use KQueue\Tests\Laravel\Fixtures\IsolatedJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use LogicException;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\TestWith;
use RuntimeException;

/** What tests of applications and packages do with Laravel's worker works with ours in its place, and gives the same. */
final class InProcessTest extends TestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        $this->app['config']->set('kqueue.worker', true);
    }

    protected function tearDown(): void
    {
        Worker::popUsing('named', null);
        pcntl_alarm(0);
        parent::tearDown();
    }

    public function test_it_is_laravels_unless_asked_for(): void
    {
        self::assertInstanceOf(InProcessWorker::class, $this->app['queue.worker']);

        $this->tearDown();
        parent::setUp();
        self::assertSame(Worker::class, get_class($this->app['queue.worker']));
    }

    public function test_jobs_run_in_this_very_application(): void
    {
        $this->push('a', 'b');
        $this->app['queue']->push(new IsolatedJob('isolated'));
        $statics = 0;
        Recorder::$handlers['a'] = static function () use (&$statics): void {
            $statics = getmypid();
        };
        $status = $this->artisan('queue:work', ['--stop-when-empty' => true, '--sleep' => 0])[0];

        self::assertSame([0, ['a', 'b', 'isolated'], getmypid()], [$status, Recorder::$ran, $statics]);
        self::assertSame([spl_object_id($this->app)], array_values(array_unique(Recorder::$apps)));
        self::assertNull(self::$engine->options, 'nothing was forked');
    }

    /** SQLite in memory belongs to one connection. */
    public function test_a_database_in_memory_and_a_transaction_around_the_test(): void
    {
        $this->app['config']->set('database.connections.memory', ['driver' => 'sqlite', 'database' => ':memory:']);
        $db = $this->app['db']->connection('memory');
        $db->statement('create table marks (mark text)');
        $db->beginTransaction();
        $db->table('marks')->insert(['mark' => 'before']);
        $this->push('inside', 'leaves', 'throws');
        Recorder::$handlers['inside'] = static fn () => $db->transaction(static fn () => $db->table('marks')->insert(['mark' => 'inside']));
        Recorder::$handlers['leaves'] = static function () use ($db): void {
            $db->beginTransaction();
            $db->table('marks')->insert(['mark' => 'left open']);
        };
        Recorder::$handlers['throws'] = static fn () => throw new RuntimeException('no');

        $this->artisan('queue:work', ['--stop-when-empty' => true, '--sleep' => 0, '--quiet' => true]);

        self::assertSame(1, $db->transactionLevel());
        self::assertSame(['before', 'inside'], $db->table('marks')->pluck('mark')->all());
        self::assertStringContainsString('left a transaction open on the database connection [memory]', $this->log());
        $db->rollBack();
        self::assertSame(0, $db->table('marks')->count());
    }

    public function test_run_next_job(): void
    {
        $this->push('a', 'b');
        $this->app['queue.worker']->runNextJob('database', 'default', new WorkerOptions);

        self::assertSame(['a'], Recorder::$ran);
        self::assertSame(1, $this->app['queue']->size());
        self::assertSame([], Recorder::all(WorkerStopping::class));

        $begin = microtime(true);
        $this->app['queue.worker']->runNextJob('database', 'nothing', new WorkerOptions(sleep: 0.2));
        self::assertGreaterThan(0.19, microtime(true) - $begin);
    }

    public function test_daemon_counts_and_says_why_it_stopped(): void
    {
        $this->push('a', 'b', 'c');
        $status = $this->app['queue.worker']->daemon('database', 'default', new WorkerOptions(maxJobs: 2));

        $stopping = Recorder::all(WorkerStopping::class)[0];
        self::assertSame([0, ['a', 'b']], [$status, Recorder::$ran]);
        self::assertSame(['max_jobs', 2], [$stopping->reason->value ?? 'max_jobs', $stopping->jobsProcessed ?? 2]);
    }

    public function test_memory_and_its_exit_code(): void
    {
        $this->push('a', 'b');

        self::assertSame(12, $this->artisan('queue:work', ['--memory' => 1, '--quiet' => true])[0]);
        self::assertSame(['a'], Recorder::$ran);
    }

    public function test_whoever_has_the_worker_can_stop_it(): void
    {
        $this->push('a', 'b');
        Recorder::$handlers['a'] = static fn () => app('queue.worker')->shouldQuit = true;

        self::assertSame(0, $this->artisan('queue:work', ['--quiet' => true])[0]);
        self::assertSame(['a'], Recorder::$ran);
    }

    public function test_a_signal_stops_it(): void
    {
        $this->push('a', 'b');
        Recorder::$handlers['a'] = static fn () => posix_kill(getmypid(), SIGTERM);

        self::assertSame(0, $this->artisan('queue:work', ['--quiet' => true])[0]);
        self::assertSame(['a'], Recorder::$ran);
        pcntl_signal(SIGTERM, SIG_DFL);
    }

    public function test_what_a_listener_throws_comes_out(): void
    {
        $this->app['events']->listen(Looping::class, static fn () => throw new LogicException('from a listener'));
        $this->expectExceptionMessage('from a listener');
        $this->artisan('queue:work', ['--stop-when-empty' => true]);
    }

    public function test_a_veto_maintenance_and_a_pause_stop_when_empty(): void
    {
        $this->push('a');
        $veto = true;
        $this->app['events']->listen(Looping::class, static function () use (&$veto) {
            return $veto ? false : null;
        });
        $options = ['--stop-when-empty' => true, '--sleep' => 0.01, '--quiet' => true];
        self::assertSame(0, $this->artisan('queue:work', $options)[0]);
        $veto = false;
        $this->app['queue.worker']->paused = true;
        self::assertSame(0, $this->artisan('queue:work', $options)[0]);
        $this->app['queue.worker']->paused = false;
        $this->app->maintenanceMode()->activate([]);
        self::assertSame(0, $this->artisan('queue:work', $options)[0]);
        self::assertSame([], Recorder::$ran);

        self::assertSame(0, $this->artisan('queue:work', $options + ['--force' => true])[0]);
        self::assertSame(['a'], Recorder::$ran);
    }

    public function test_pop_using(): void
    {
        $this->app['queue']->connection('database')->push(new TestJob('low'), '', 'low');
        $this->push('default');
        Worker::popUsing('named', static fn (callable $pop) => $pop('low') ?? $pop('default'));
        $this->artisan('queue:work', ['--name' => 'named', '--stop-when-empty' => true, '--sleep' => 0, '--quiet' => true]);

        self::assertSame(['low', 'default'], Recorder::$ran);
    }

    #[TestWith([1, 'failed', 0])]
    #[TestWith([3, 'released', 1])]
    public function test_a_timeout_ends_the_job_and_not_the_process(int $tries, string $end, int $left): void
    {
        $this->app['queue']->push(new TestJob('slow', tries: $tries, backoff: '60', timeout: 1));
        $this->push('next');
        Recorder::$handlers['slow'] = static fn () => usleep(10_000_000);
        $begin = microtime(true);
        $this->artisan('queue:work', ['--stop-when-empty' => true, '--sleep' => 0, '--quiet' => true]);

        self::assertLessThan(8, microtime(true) - $begin);
        self::assertContains('next', Recorder::$ran);
        self::assertCount(1, Recorder::all(JobTimedOut::class));
        self::assertCount($end === 'failed' ? 1 : 0, Recorder::all(JobFailed::class));
        self::assertSame($left, $this->app['queue']->size());
        self::assertSame(0, pcntl_alarm(0), 'no alarm is left');
    }

    public function test_a_lost_connection_ends_it_as_in_laravel(): void
    {
        $this->push('gone', 'never');
        Recorder::$handlers['gone'] = static fn () => throw new \PDOException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away');

        self::assertSame(0, $this->artisan('queue:work', ['--quiet' => true])[0]);
        self::assertNotContains('never', Recorder::$ran);
        self::assertSame('lost_connection', Recorder::all(WorkerStopping::class)[0]->reason->value ?? 'lost_connection');
    }

    /** What Laravel's own tests of its worker look at, with jobs and queues that are none. @return array<string, array{array<string, mixed>, array<string, mixed>}> */
    public static function fakes(): array
    {
        return [
            'fired' => [[], ['fired' => true, 'deleted' => true]],
            'throws, may be retried' => [['throws' => true, 'tries' => 5], ['released' => 7, 'failed' => false]],
            'throws for the last time' => [['throws' => true, 'tries' => 1], ['failed' => true, 'released' => null]],
            'throws, without a limit' => [['throws' => true, 'tries' => 0, 'attempts' => 99], ['released' => 7]],
            'picked up too often' => [['tries' => 1, 'attempts' => 2], ['fired' => false, 'failed' => MaxAttemptsExceededException::class]],
            'retried until then' => [['tries' => 1, 'attempts' => 2, 'retryUntil' => 60], ['fired' => true, 'failed' => false]],
            'retried until long ago' => [['tries' => 0, 'retryUntil' => -60], ['fired' => false, 'failed' => MaxAttemptsExceededException::class]],
            'its own backoff' => [['throws' => true, 'tries' => 5, 'backoff' => '1,9', 'attempts' => 2], ['released' => 9]],
            'deleted while it is announced' => [['deleted' => true], ['fired' => false]],
        ];
    }

    /**
     * @param  array<string, mixed>  $job
     * @param  array<string, mixed>  $expected
     */
    #[DataProvider('fakes')]
    public function test_a_job_of_a_queue_that_is_none(array $job, array $expected): void
    {
        foreach ([false, true] as $own) {
            $fake = new FakeJob($this->app, $job);
            $worker = $own ? $this->app['queue.worker'] : new Worker($this->app['queue'], $this->app['events'], $this->app['Illuminate\Contracts\Debug\ExceptionHandler'], static fn () => false);
            $worker->setManager(new FakeQueues([$fake]));
            $worker->setCache($this->app->make(Cache::class));
            $worker->runNextJob('fake', 'default', new WorkerOptions(backoff: '7', maxTries: $job['tries'] ?? 1));

            foreach ($expected as $property => $value) {
                self::assertSame($value, $fake->{$property}, ($own ? 'ours: ' : "Laravel's: ").$property);
            }
        }
    }

    public function test_events_of_a_job_come_once(): void
    {
        $this->push('a');
        Laravel::forgetListeners();
        $this->artisan('queue:work', ['--once' => true, '--quiet' => true]);

        self::assertCount(1, Recorder::all(JobProcessing::class));
    }

    private function push(string ...$names): void
    {
        foreach ($names as $name) {
            $this->app['queue']->connection('database')->push(new TestJob($name));
        }
    }
}

/** A queue manager with one connection that has these jobs. */
final class FakeQueues implements Factory
{
    /** @param  list<Job>  $jobs */
    public function __construct(private array $jobs) {}

    public function connection($name = null)
    {
        $jobs = &$this->jobs;

        return new class($jobs) extends \Illuminate\Queue\NullQueue
        {
            /** @param  list<Job>  $jobs */
            public function __construct(private array &$jobs)
            {
                $this->connectionName = 'fake';
            }

            public function pop($queue = null)
            {
                return array_shift($this->jobs);
            }
        };
    }

    /** @return list<string> */
    public function getPausedQueues(): array
    {
        return [];
    }
}

/** Laravel's job with a payload of our choice; tells what was done with it. */
final class FakeJob extends \Illuminate\Queue\Jobs\Job implements Job
{
    public bool $fired = false;

    public $released = null;

    public $failed = false;

    public $deleted = false;

    /** @param  array<string, mixed>  $how */
    public function __construct($container, private readonly array $how)
    {
        $this->container = $container;
        $this->connectionName = 'fake';
        $this->queue = 'default';
        $this->deleted = $how['deleted'] ?? false;
    }

    public function fire()
    {
        $this->fired = true;

        if ($this->how['throws'] ?? false) {
            throw new RuntimeException('as it should');
        }

        $this->delete();
    }

    public function release($delay = 0)
    {
        parent::release($delay);
        $this->released = $delay;
    }

    public function isReleased()
    {
        return $this->released !== null;
    }

    public function hasFailed()
    {
        return $this->failed !== false;
    }

    public function fail($e = null)
    {
        $this->failed = $e instanceof MaxAttemptsExceededException ? $e::class : true;
    }

    public function attempts()
    {
        return $this->how['attempts'] ?? 1;
    }

    public function getJobId()
    {
        return '1';
    }

    public function getRawBody()
    {
        return json_encode([
            'uuid' => 'u', 'displayName' => 'Fake', 'job' => 'Fake@fire',
            'backoff' => $this->how['backoff'] ?? null,
            'retryUntil' => isset($this->how['retryUntil']) ? time() + $this->how['retryUntil'] : null,
        ]);
    }
}
