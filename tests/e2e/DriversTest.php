<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\Driver;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\Tables;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\Large;

/** Every driver of Laravel's, and one that is not, against real servers; of SQS against a stand-in (Support/sqs-server.php). */
#[Large]
final class DriversTest extends TestCase
{
    private const NAMES = ['phpredis', 'phpredis-cluster', 'predis-tls', 'sqlite', 'mariadb', 'pgsql', 'beanstalkd', 'sqs', 'file'];

    /** Other ways to the same servers: `make test-matrix` takes them too. */
    private const MORE_NAMES = ['phpredis-tls', 'predis', 'predis-cluster'];

    /** Whose queue is shared with queue:work in each test run. */
    private const SHARED_NAMES = ['phpredis', 'mariadb', 'pgsql', 'beanstalkd'];

    private const MANY = 30;

    private const MANY_ISOLATED = 6;

    private const SHARED = 500;

    private Driver $driver;

    protected function setUp(): void
    {
        putenv('KQUEUE_TEST_CONFIG');
        parent::setUp();
    }

    protected function tearDown(): void
    {
        parent::tearDown();
        putenv('KQUEUE_TEST_CONFIG');
    }

    /** @return array<string, array{string}> */
    public static function drivers(): array
    {
        return self::named(self::isMatrix() ? [...self::NAMES, ...self::MORE_NAMES] : self::NAMES);
    }

    /** @return array<string, array{string}> */
    public static function sharedDrivers(): array
    {
        return self::isMatrix() ? self::drivers() : self::named(self::SHARED_NAMES);
    }

    #[DataProvider('drivers')]
    public function test_jobs_end_as_they_do_under_queue_work(string $name): void
    {
        $this->on($name);

        // Inline so long that all of them are at it at once, even where each takes its time to begin.
        foreach ([[Act::class, self::MANY, 1.0], [IsolatedAct::class, self::MANY_ISOLATED, 0.4]] as [$class, $many, $seconds]) {
            $pushed[$class] = microtime(true);
            $this->push(
                (new $class('nothing'))->delay(2),
                (new $class('throwsBelow', 3))->with(['tries' => 3, 'backoff' => [0, 2]]),
                (new $class('throws', 'no luck'))->with(['tries' => 2, 'backoff' => 1]),
                (new $class('releases', 3, 1))->with(['tries' => 5]),
                ...array_map(static fn () => new $class('sleep', $seconds), range(1, $many)),
            );
        }

        $run = $this->start('kqueue:run', [$name, '--sleep=0.1', '--concurrency=50', '--isolated=4']);
        $this->waitUntilDone($run, self::MANY + self::MANY_ISOLATED + 2 * 5, 2);

        $this->checkStarts($this->starts(inline: true), $pushed[Act::class], self::MANY);
        $this->checkStarts($this->starts(inline: false), $pushed[IsolatedAct::class], self::MANY_ISOLATED);
        self::assertGreaterThan(15, $this->mostAtOnce());
        self::assertCount(1 + 4, array_unique(array_column(Trace::all('start'), 'pid')), 'processes');
        self::assertCount(2, Trace::all('failed'));

        $failed = $this->app['db']->table('failed_jobs')->get(['connection', 'queue', 'payload', 'exception'])->keyBy(static fn (object $row): string => json_decode($row->payload)->displayName);
        self::assertEqualsCanonicalizing([Act::class, IsolatedAct::class], $failed->keys()->all());

        foreach ($failed as $row) {
            self::assertSame($name, $row->connection);
            self::assertStringContainsString('work', $row->queue);
            self::assertStringContainsString('RuntimeException: no luck', $row->exception);
        }
    }

    #[DataProvider('drivers')]
    public function test_jobs_of_a_killed_runner_run_again(string $name): void
    {
        $this->on($name);
        $givesBack = $this->driver->givesBack;
        // Where the attempt is charged, one try would not do.
        $this->push(...array_map(static fn () => (new Act('sleep', 1.0))->with(['tries' => $givesBack ? 1 : 3]), range(1, 5)));
        $run = $this->start('kqueue:run', [$name, '--sleep=0.1', '--concurrency=10']);
        $this->waitForStarts(5);
        $runner = Trace::all('start')[0]['pid'];
        posix_kill($runner, SIGKILL);
        $this->waitUntilDone($run, 5, 0);

        self::assertCount(10, Trace::all('start'));
        self::assertNotContains($runner, array_column(Trace::all('end'), 'pid'));
        self::assertSame(5, substr_count($this->log(), $givesBack ? 'was given back without counting the attempt' : 'comes back when its reservation ends'), $this->log());
    }

    #[DataProvider('sharedDrivers')]
    public function test_it_shares_a_queue_with_queue_work(string $name): void
    {
        $this->on($name);
        $runs = [
            $this->start('queue:work', [$name, '--sleep=0.1']),
            $this->start('kqueue:run', [$name, '--sleep=0.1', '--concurrency=5']),
            $this->start('queue:work', [$name, '--sleep=0.1']),
        ];
        $this->pushUntilAllTake(count($runs));
        $this->push(...array_map(static fn (int $number) => new Act('numbered', $number), range(1, self::SHARED)));
        $this->waitFor(fn (): bool => count(Trace::all('number')) >= self::SHARED && $this->app['queue']->size() === 0, 'all jobs');

        foreach ($runs as $run) {
            $run->signal(SIGTERM);
            self::assertSame(0, $run->wait(20), $run->output());
        }

        $numbers = array_column(Trace::all('number'), 'detail');
        sort($numbers);
        self::assertSame(range(1, self::SHARED), $numbers, 'each once');
        self::assertSame([], $this->failures());
        self::assertCount(3, array_unique(array_column(Trace::all('number'), 'pid')), 'all had a share');
    }

    /** A receive that waits at the server holds up nobody but the lane that asks, takes what comes, and loses nothing when the run ends meanwhile. */
    public function test_sqs_with_long_polling(): void
    {
        $this->on('sqs');
        $queue = $this->app['queue']->connection();
        $poll = static fn (int $seconds) => $queue->getSqs()->setQueueAttributes(['QueueUrl' => $queue->getQueue(null), 'Attributes' => ['ReceiveMessageWaitTimeSeconds' => (string) $seconds]]);
        $poll(10);

        try {
            $run = $this->start('kqueue:run', ['sqs', '--sleep=0', '--concurrency=10', '-v']);
            // One after another: the first waits in its lane while the next receive waits at the server, which gives the second at once.
            $this->push(new Act('sleep', 0.2));
            $this->waitFor(static fn (): bool => count(Trace::all('end')) === 1, 'a job that ends while the server is asked for another');
            $this->push(new Act('nothing'));
            // Before the next receive would begin.
            $this->waitFor(static fn (): bool => count(Trace::all('end')) === 2, 'a job that comes while the server is asked', 8);

            $this->push(new Act('sleep', 1.0));
            $this->waitForStarts(3);
            $run->signal(SIGTERM);
            self::assertSame(0, $run->wait(40), $run->output());
            self::assertCount(3, Trace::all('end'), 'what ran has ended');

            $this->push(new Act('nothing'));
            self::assertSame(1, $queue->size(), 'nobody takes it any more');
        } finally {
            $poll(0);
        }
    }

    /** Under the application's own SDK; without it, the tests of this class use a client of their own, which speaks the same protocol. */
    public function test_the_sdk_for_sqs(): void
    {
        if (str_ends_with((new \ReflectionClass('Aws\Sqs\SqsClient'))->getFileName(), '/app/aws.php')) {
            self::markTestSkipped('aws/aws-sdk-php is not installed: SQS was tested without Amazon\'s own client.');
        }

        self::assertTrue(class_exists('Aws\Sdk'));
    }

    private static function isMatrix(): bool
    {
        return (bool) getenv('KQUEUE_TEST_MATRIX');
    }

    /**
     * @param  list<string>  $names
     * @return array<string, array{string}>
     */
    private static function named(array $names): array
    {
        return array_combine($names, array_map(static fn (string $name): array => [$name], $names));
    }

    /** Makes this driver the application's default, with nothing in its queue. */
    private function on(string $name): void
    {
        if ($why = Driver::lacks($name)) {
            self::markTestSkipped($why);
        }

        $this->driver = Driver::named($name);
        putenv('KQUEUE_TEST_CONFIG='.json_encode($this->driver->config));
        $this->use($name);
        $queue = $this->app['config']["queue.connections.{$name}"];

        match ($queue['driver']) {
            'redis' => $this->app['redis']->connection($queue['connection'])->flushdb(),
            'database' => $this->createJobsTable($queue['connection'] ?? 'sqlite'),
            'sqs' => $this->app['queue']->connection()->getSqs()->purgeQueue(['QueueUrl' => $this->app['queue']->connection()->getQueue(null)]),
            'file' => file_put_contents($queue['path'], ''),
            // Its server is told to forget the tube by taking all out of it.
            'beanstalkd' => (function (): void {
                while ($job = $this->app['queue']->pop()) {
                    $job->delete();
                }
            })(),
        };
    }

    private function createJobsTable(string $connection): void
    {
        $schema = $this->app['db']->connection($connection)->getSchemaBuilder();
        $schema->dropIfExists('jobs');
        Tables::createJobs($schema);
    }

    private function pushUntilAllTake(int $workers): void
    {
        $this->waitFor(function () use ($workers): bool {
            $this->push(...array_map(static fn () => new Act('sleep', 0.3), range(1, 6)));
            usleep(400_000);

            return count(array_unique(array_column(Trace::all('start'), 'pid'))) === $workers;
        }, "{$workers} workers to have taken a job");
    }

    private function waitUntilDone(Process $run, int $ends, int $failures): void
    {
        $done = fn (): bool => count(Trace::all('end')) >= $ends && count($this->failures()) >= $failures && $this->app['queue']->size() === 0;

        for ($until = microtime(true) + 30; microtime(true) < $until && $run->isRunning() && ! $done();) {
            usleep(20_000);
        }

        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount($ends, Trace::all('end'), $run->output().$this->log());
        self::assertCount($failures, $this->failures(), $run->output().$this->log());
        self::assertSame(0, $this->app['queue']->size(), 'what is left');
    }

    /** @param  array<string, list<float>>  $starts  the times of each action's */
    private function checkStarts(array $starts, float $pushed, int $many): void
    {
        self::assertCount(3, $starts['throwsBelow'], 'attempts of the job that is retried');
        self::assertGreaterThan(0.9, $starts['throwsBelow'][2] - $starts['throwsBelow'][1], 'the backoff');
        self::assertCount(2, $starts['throws'], 'attempts of the job that fails');
        self::assertCount(3, $starts['releases'], 'attempts of the job that releases itself');
        self::assertGreaterThan(0.9, $starts['nothing'][0] - $pushed, 'the delay');
        self::assertCount($many, $starts['sleep']);
    }

    /** @return array<string, list<float>> */
    private function starts(bool $inline): array
    {
        // Of the jobs that sleep, most were inline.
        $pids = array_count_values(array_column(Trace::all('start'), 'pid'));
        $runner = array_search(max($pids), $pids, true);

        foreach (Trace::all('start') as $start) {
            if (($start['pid'] === $runner) === $inline) {
                $starts[$start['detail']][] = $start['at'];
            }
        }

        return $starts;
    }

    private function mostAtOnce(): int
    {
        $most = $now = 0;

        foreach (Trace::all() as $entry) {
            $now += match ([$entry['what'], $entry['detail']]) {
                ['start', 'sleep'] => 1,
                ['end', 'sleep'] => -1,
                default => 0,
            };
            $most = max($most, $now);
        }

        return $most;
    }
}
