<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Database\Connection;
use Illuminate\Database\Connectors\ConnectorInterface;
use Illuminate\Database\Connectors\SQLiteConnector;
use Illuminate\Database\SQLiteConnection;
use Illuminate\Queue\Console\WorkCommand;
use KQueue\Process\ServerLimits;
use KQueue\Support\Settings;
use KQueue\Testing\FakeEngine;
use KQueue\Tests\Laravel\Fixtures\FreshJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use PHPUnit\Framework\Attributes\DataProvider;
use ReflectionProperty;
use RuntimeException;

/** What lanes do with their connections between two jobs, and how many they may have. */
final class ConnectionsTest extends TestCase
{
    public function test_a_connection_has_a_permit_as_long_as_it_is_open(): void
    {
        $this->limit(['sqlite' => 3]);
        $this->push('a', 'b');
        $during = [];
        Recorder::$handlers['a'] = Recorder::$handlers['b'] = function () use (&$during): void {
            app('db')->select('select 1');
            $during[] = array_values(self::$engine->permits);
        };
        $this->kqueue();

        self::assertSame([['sqlite'], ['sqlite']], $during);
        self::assertSame([['sqlite', 3]], self::$engine->permitsAsked, 'kept from the first look at the queue to the end');
        self::assertSame([], self::$engine->permits, 'the lane closed it at its end');
    }

    public function test_no_limit_no_permit(): void
    {
        $this->app['config']->set('database.connections.other', $this->app['config']['database.connections.sqlite']);
        $this->limit(['other' => 3]);
        $this->push('a');
        $this->kqueue();

        self::assertSame([], self::$engine->permitsAsked);
        self::assertSame(['a'], Recorder::$ran);
    }

    public function test_disconnecting_gives_the_permit_back_and_reconnecting_takes_another(): void
    {
        $this->limit(['sqlite' => 3]);
        $this->push('a');
        $counts = [];
        Recorder::$handlers['a'] = function () use (&$counts): void {
            app('db')->disconnect();
            $counts[] = count(self::$engine->permits);
            app('db')->reconnect();
            app('db')->select('select 1');
            $counts[] = count(self::$engine->permits);
            app('db')->purge();
            $counts[] = count(self::$engine->permits);
        };
        $this->kqueue();

        self::assertSame([0, 1, 0], $counts);
    }

    public function test_a_connection_that_fails_keeps_no_permit(): void
    {
        Recorder::$onBoot[] = static fn ($app) => $app['config']->set('database.connections.gone', ['driver' => 'sqlite', 'database' => '/nowhere/at/all']);
        $this->app['config']->set('database.connections.gone', ['driver' => 'sqlite']);
        $this->limit(['gone' => 1]);
        $this->push('a');
        Recorder::$handlers['a'] = function (): void {
            try {
                app('db')->connection('gone')->select('select 1');
            } catch (\Throwable) {
            }
            Recorder::ran((string) count(self::$engine->permits));
        };
        $this->kqueue();

        self::assertSame(['a', '0'], Recorder::$ran);
        self::assertSame([['gone', 1]], array_values(array_unique(self::$engine->permitsAsked, SORT_REGULAR)));
    }

    public function test_a_connector_of_the_applications_own_is_still_used(): void
    {
        Recorder::$onBoot[] = static fn ($app) => $app->bind('db.connector.sqlite', static fn () => new class extends SQLiteConnector implements ConnectorInterface
        {
            public function connect(array $config)
            {
                Recorder::$ran[] = 'connects';

                return parent::connect($config);
            }
        });
        $this->limit(['sqlite' => 3]);
        $this->push('a');
        $this->kqueue();

        self::assertContains('connects', Recorder::$ran);
        self::assertCount(1, self::$engine->permitsAsked);
    }

    public function test_a_fresh_job_has_connections_and_permits_of_its_own(): void
    {
        $this->limit(['sqlite' => 3]);
        $this->app['queue']->push(new FreshJob('fresh'));
        Recorder::$handlers['fresh'] = function (): void {
            app('db')->select('select 1');
            Recorder::ran((string) count(self::$engine->permits));
        };
        $this->kqueue();

        self::assertSame(['fresh', '2'], Recorder::$ran);
        self::assertSame([], self::$engine->permits);
    }

    public function test_a_lane_gives_way_when_its_job_has_ended(): void
    {
        $this->limit(['sqlite' => 3]);
        $this->push('a', 'b');
        Recorder::$handlers['a'] = fn () => self::$engine->wanted = ['sqlite'];
        Recorder::$handlers['b'] = fn () => self::$engine->wanted = [];
        $this->kqueue();

        self::assertSame(['a', 'b'], Recorder::$ran);
        self::assertCount(2, self::$engine->permitsAsked);
    }

    public function test_a_leader_gives_way_between_two_looks(): void
    {
        $this->limit(['sqlite' => 3]);
        self::$engine->whenIdle = static function (FakeEngine $engine): void {
            $engine->wanted = ['sqlite'];
        };
        self::$engine->mostIdles = 3;
        $this->kqueue(['--stop-when-empty' => false]);

        self::assertCount(3, self::$engine->permitsAsked);
    }

    /** @return array<string, array{float, int}> */
    public static function times(): array
    {
        return ['long' => [60.0, 1], 'short' => [0.00001, 4], 'for ever' => [0.0, 1]];
    }

    #[DataProvider('times')]
    public function test_what_no_job_has_used_for_some_time_is_closed(float $idle, int $opened): void
    {
        $this->limit(['sqlite' => 3], $idle);
        self::$engine->mostIdles = 4;
        $this->kqueue(['--stop-when-empty' => false]);

        self::assertCount($opened, self::$engine->permitsAsked);
        self::assertSame([null, $idle > 0 ? $idle : null], array_slice(self::$engine->patience, 0, 2));
    }

    public function test_a_lane_that_is_called_out_of_the_line_closes_what_it_has_and_goes_on(): void
    {
        $this->limit(['sqlite' => 3], 0.00001);
        $this->app['config']->set('kqueue.flush', 0);
        $this->push('a', 'b');
        self::$engine->calledOut = [false, true, true];
        $this->kqueue();

        self::assertSame(['a', 'b'], Recorder::$ran);
        self::assertSame([null, 0.00001, null, null], array_slice(self::$engine->patience, 0, 4), 'there is nothing more to close');
    }

    /** @return array<string, array{array<string, mixed>, string}> */
    public static function mistakes(): array
    {
        return [
            'unknown' => [['nope' => 3], 'config kqueue.connections.max names the database connection [nope], which is not configured. Configured are: sqlite'],
            'none' => [['sqlite' => 0], 'config kqueue.connections.max must have a whole number of at least 1 for [sqlite], not "0".'],
            'words' => [['sqlite' => 'many'], 'not "many"'],
        ];
    }

    /** @param  array<string, mixed>  $max */
    #[DataProvider('mistakes')]
    public function test_mistakes(array $max, string $message): void
    {
        $this->limit($max);
        [$status, $output] = $this->artisan('kqueue:run');

        self::assertSame(1, $status);
        self::assertStringContainsString($message, $output);
    }

    public function test_a_server_that_takes_fewer_connections_is_told_of_in_one_line(): void
    {
        $this->server('mysql', 151);
        [, $output] = $this->artisan('kqueue:run', ['--concurrency' => '500', '--isolated' => '4', '--stop-when-empty' => true]);

        self::assertStringContainsString(
            'The server of the database connection [main] takes 151 connections at once, and 504 jobs may want one (500 in lanes, 4 isolated). Lower --concurrency, raise the server\'s limit, or set kqueue.connections.max.main, to 147 at the most: then jobs wait for a connection instead of failing.',
            preg_replace('/\s+/', ' ', $output),
        );
        self::assertSame('', $this->log());
    }

    public function test_json_output_is_json_only(): void
    {
        if (! $this->app->make(WorkCommand::class)->getDefinition()->hasOption('json')) {
            self::markTestSkipped('This Laravel writes no JSON.');
        }

        $this->server('mysql', 151);
        [, $output] = $this->artisan('kqueue:run', ['--concurrency' => '500', '--stop-when-empty' => true, '--json' => true]);

        self::assertNotNull(json_decode(trim($output)), $output);
        self::assertStringContainsString('takes 151 connections at once', $this->log());
    }

    public function test_a_server_that_takes_enough_is_not_told_of(): void
    {
        $this->server('pgsql', 100);

        self::assertSame([], $this->warnings(['concurrency' => 90, 'isolated' => 10]));
        self::assertCount(1, $this->warnings(['concurrency' => 91, 'isolated' => 10]));
        self::assertSame([], $this->warnings(['concurrency' => 500, 'isolated' => 10, 'maxConnections' => ['main' => 50]]));
        self::assertStringContainsString('or lower kqueue.connections.max.main, to 90 at the most', $this->warnings(['concurrency' => 500, 'isolated' => 10, 'maxConnections' => ['main' => 95]])[0]);
        $this->server('sqlite', 1);
        self::assertSame([], $this->warnings(['concurrency' => 91, 'isolated' => 10]));
        $this->server('mysql', null);
        self::assertSame([], $this->warnings(['concurrency' => 91, 'isolated' => 10]), 'it cannot be asked');
    }

    public function test_sqlite_with_deferred_transactions_is_told_of(): void
    {
        $set = fn (array $values) => $this->app['config']->set(array_combine(array_map(static fn (string $key): string => "database.connections.{$key}", array_keys($values)), $values));
        $other = TestCase::folder().'/other.sqlite';
        touch($other);

        try {
            $warnings = $this->warnings([]);
            self::assertCount(1, $warnings);
            self::assertStringContainsString('on the SQLite connection [sqlite], will fail with "database is locked"', $warnings[0]);
            self::assertStringContainsString("'transaction_mode' => 'IMMEDIATE'", $warnings[0]);
            self::assertSame([], $this->warnings(['concurrency' => 1]));

            // Nobody uses it, until it is the queue's.
            $set(['other' => ['driver' => 'sqlite', 'database' => $other, 'prefix' => '']]);
            self::assertCount(1, $this->warnings([]));
            $this->app['config']->set('queue.connections.database.connection', 'other');
            self::assertCount(2, $this->warnings([]));
            self::assertStringContainsString('[other]', $this->warnings([])[1]);
            $set(['other.database' => ':memory:']);
            self::assertCount(1, $this->warnings([]));
            $set(['other.database' => "{$other}.gone"]);
            self::assertCount(1, $this->warnings([]));
            $this->app['config']->set('queue.connections.database.connection', null);

            // By the setting, or by the application's own class.
            Connection::resolverFor('sqlite', static fn (mixed ...$arguments): Connection => new class(...$arguments) extends SQLiteConnection
            {
                protected function createTransaction(): void
                {
                    $this->getPdo()->exec('BEGIN EXCLUSIVE TRANSACTION');
                }
            });
            self::assertSame([], $this->warnings([]));
            self::forgetResolvers();
            $set(['sqlite.transaction_mode' => 'immediate']);
            $knows = PHP_VERSION_ID >= 80400 && method_exists(SQLiteConnection::class, 'executeBeginTransactionStatement');
            self::assertCount($knows ? 0 : 1, $this->warnings([]));
        } finally {
            self::forgetResolvers();
            unlink($other);
        }
    }

    private static function forgetResolvers(): void
    {
        (new ReflectionProperty(Connection::class, 'resolvers'))->setValue(null, []);
    }

    /** @param  array<string, int>  $max */
    private function limit(array $max, float $idle = 60.0): void
    {
        $this->app['config']->set('kqueue.connections', ['max' => $max, 'idle' => $idle]);
    }

    /** A default database of this kind, whose server says how many connections it takes. */
    private function server(string $driver, ?int $most): void
    {
        $this->app['config']->set(['database.default' => 'main', 'database.connections.main' => ['driver' => $driver, 'host' => 'db.test'],
            'queue.connections.database.connection' => 'sqlite']);
        $this->app->instance('db.factory', new class($most)
        {
            public function __construct(private readonly ?int $most) {}

            /** @param  array<string, mixed>  $config */
            public function make(array $config, string $name): object
            {
                ConnectionsTest::assertSame('db.test', $config['host']);
                ConnectionsTest::assertSame([\PDO::ATTR_TIMEOUT => 2], $config['options']);

                return new class($this->most)
                {
                    public function __construct(private readonly ?int $most) {}

                    public function selectOne(string $query): object
                    {
                        return $this->most === null ? throw new RuntimeException('no answer') : (object) ['most' => (string) $this->most];
                    }

                    public function disconnect(): void {}
                };
            }
        });
    }

    /**
     * @param  array<string, mixed>  $values
     * @return list<string>
     */
    private function warnings(array $values): array
    {
        $settings = new Settings(
            '', 'database', 'default', [], [], false, 5, 'auto', [], 1, false, [], 512, 2.0, 100, 32, false, null, 1.0, 1.0, 256, 60.0, 10.0,
        );

        return (new ServerLimits($this->app))->warnings(Settings::fromArray($values + $settings->toArray()));
    }

    private function push(string ...$names): void
    {
        foreach ($names as $name) {
            $this->app['queue']->connection('database')->push(new TestJob($name));
        }
    }
}
