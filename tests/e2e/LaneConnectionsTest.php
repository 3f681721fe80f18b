<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\RedisServer;
use KQueue\Tests\E2E\Support\TestCase;
use PDO;
use PHPUnit\Framework\Attributes\TestWith;
use Redis;

require_once dirname(__DIR__).'/phpt/lib/servers.inc';

/** How many connections lanes have, and for how long. */
final class LaneConnectionsTest extends TestCase
{
    #[TestWith(['redis', []])]
    #[TestWith(['database', []])]
    #[TestWith(['redis', ['--fresh']])]
    #[TestWith(['redis', ['--lanes-booted']])]
    public function test_jobs_beyond_the_limit_wait_for_a_connection(string $connection, array $arguments): void
    {
        $this->use($connection);
        $booted = $arguments === ['--lanes-booted'];
        $this->push(...array_map(static fn () => new Act('connects', 0.1), range(1, 10)));
        $run = $this->kqueue(
            ['--concurrency=10', ...$booted ? [] : $arguments],
            ['KQUEUE_TEST_MAX' => '{"sqlite":3}', 'KQUEUE_LANES' => $booted ? 'booted' : 'cloned'],
        );

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        $counts = array_column(Trace::all('connections'), 'detail');
        self::assertCount(10, $counts);
        self::assertSame(3, max($counts));
    }

    public function test_without_a_limit_each_has_its_own(): void
    {
        $this->use('redis');
        $this->push(...array_map(static fn () => new Act('connects', 0.5), range(1, 10)));
        $run = $this->kqueue(['--concurrency=10']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(10, max(array_column(Trace::all('connections'), 'detail')));
    }

    public function test_a_job_that_waits_for_a_connection_until_its_timeout(): void
    {
        $this->use('redis');
        $this->push((new Act('connects', 2.0))->with(['timeout' => 30]), (new Act('connects', 0.01))->with(['timeout' => 1, 'tries' => 1]));
        $run = $this->kqueue(['--concurrency=2'], ['KQUEUE_TEST_MAX' => '{"sqlite":1}']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, Trace::all('connections'));
        self::assertStringContainsString('has timed out', implode($this->failures()));
    }

    public function test_a_fresh_job_does_not_wait_for_its_own_lane(): void
    {
        $this->push(...array_map(static fn () => new FreshAct('connects', 0.05), range(1, 6)));
        $run = $this->kqueue(['--concurrency=3'], ['KQUEUE_TEST_MAX' => '{"sqlite":1}']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertSame(2, max(array_column(Trace::all('connections'), 'detail')), 'the lane\'s and the job\'s');
    }

    public function test_what_runs_beside_a_job_connects_as_that_job(): void
    {
        if (! interface_exists(\Illuminate\Contracts\Concurrency\Driver::class)) {
            self::markTestSkipped('This Laravel has no concurrency.');
        }

        $this->use('redis');
        $this->push(...array_map(static fn (int $i) => (new Act('storesSideBySide', "job{$i}", 4))->with(['timeout' => 30, 'tries' => 1]), range(1, 4)));
        $run = $this->kqueue(['--concurrency=4'], ['KQUEUE_TEST_MAX' => '{"sqlite":1}']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertSame(320, $this->app['db']->table('rows')->count());
    }

    #[TestWith(['0.5', 1])]
    #[TestWith(['60', 6])]
    public function test_idle_lanes_close_what_they_have(string $idle, int $most): void
    {
        $this->use('redis');
        $this->push(...array_map(static fn () => new Act('connects', 0.2), range(1, 6)));
        $run = $this->start('kqueue:run', ['--sleep=0.05', '--concurrency=6'], ['KQUEUE_TEST_IDLE' => $idle]);
        $this->waitFor(static fn (): bool => count(Trace::all('connections')) === 6, 'six jobs');
        usleep(2_000_000);
        $this->push(new Act('connects', 0.0));
        $this->waitFor(static fn (): bool => count(Trace::all('connections')) === 7, 'the seventh');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(), $run->output());
        $counts = array_column(Trace::all('connections'), 'detail');
        self::assertSame(6, max($counts));
        self::assertLessThanOrEqual($most, $counts[6]);
        self::assertTrue($idle !== '60' || $counts[6] === 6);
    }

    #[TestWith(['mysql', 'Too many connections'])]
    #[TestWith(['pgsql', 'too many clients'])]
    public function test_jobs_beyond_what_a_server_takes_fail_without_a_limit_and_wait_with_one(string $driver, string $error): void
    {
        $environment = $this->server($driver, 10);
        $jobs = static fn (): array => array_map(static fn () => (new Act('transacts', 0.3))->with(['tries' => 1]), range(1, 40));

        $this->push(...$jobs());
        $run = $this->kqueue(['--concurrency=40', '--isolated=2'], $environment);
        self::assertSame(0, $run->wait(), $run->output());
        self::assertStringContainsString(
            "The server of the database connection [{$driver}] takes 10 connections at once, and 42 jobs may want one (40 in lanes, 2 isolated). Lower --concurrency, raise the server's limit,"
            ." or set kqueue.connections.max.{$driver}, to 8 at the most: then jobs wait for a connection instead of failing.",
            preg_replace('/\s+/', ' ', $run->output()),
        );
        self::assertStringContainsString($error, implode("\n", $this->failures()));

        $this->app['db']->table('failed_jobs')->delete();
        unlink("{$this->folder}/trace");
        $this->push(...$jobs());
        $run = $this->kqueue(['--concurrency=40', '--isolated=2'], ['KQUEUE_TEST_MAX' => json_encode([$driver => 8])] + $environment);
        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(40, Trace::all('end'));
        self::assertStringNotContainsString('connections at once', $run->output());
    }

    public function test_a_server_sees_idle_lanes_leave(): void
    {
        $environment = $this->server('mysql', 50);
        $server = new PDO("mysql:host=127.0.0.1;port={$environment['KQUEUE_TEST_MYSQL_PORT']}", 'root');
        $count = static fn (): int => (int) $server->query("show status like 'Threads_connected'")->fetchColumn(1);
        $this->push(...array_map(static fn () => new Act('transacts', 0.5), range(1, 10)));
        $run = $this->start('kqueue:run', ['--sleep=0.05', '--concurrency=10'], ['KQUEUE_TEST_IDLE' => '1'] + $environment);
        $this->waitFor(static fn (): bool => $count() === 11, 'ten connections beside this one');
        $this->waitFor(static fn (): bool => $count() === 1, 'their end');
        $this->push(new Act('transacts', 0.01));
        $this->waitFor(static fn (): bool => count(Trace::all('end')) === 11, 'a job that connects again');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
    }

    #[TestWith(['mysql'])]
    #[TestWith(['pgsql'])]
    public function test_an_open_transaction_is_rolled_back_and_told(string $driver): void
    {
        $environment = $this->server($driver, 20);
        $server = $driver === 'mysql'
            ? new PDO("mysql:host=127.0.0.1;port={$environment['KQUEUE_TEST_MYSQL_PORT']};dbname=test", 'root')
            : new PDO("pgsql:host=127.0.0.1;port={$environment['KQUEUE_TEST_PGSQL_PORT']};dbname=postgres", 'test');
        $rows = $driver === 'mysql' ? '`rows`' : 'rows';
        $server->exec("create table {$rows} (id serial primary key, owner varchar(20), kind varchar(20))");
        $this->push(
            (new Act('leavesTransaction', 'a'))->with(['tries' => 1]),
            (new Act('leavesTransactionBy', 'nothing'))->with(['tries' => 1]),
            (new Act('leavesTransactionBy', 'exits'))->with(['tries' => 1]),
            new Act('addsRow'),
        );
        $run = $this->kqueue(['--concurrency=1'], $environment);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(2, $this->failures(), implode("\n", $this->failures()));
        self::assertSame([['kind' => 'kept']], $server->query("select kind from {$rows}")->fetchAll(PDO::FETCH_ASSOC));
        self::assertSame(3, substr_count($this->log(), "left a transaction open on the database connection [{$driver}]; it was rolled back"), $this->log());
    }

    public function test_a_redis_that_takes_fewer_connections(): void
    {
        $server = RedisServer::start();
        $redis = new Redis;
        $redis->connect('127.0.0.1', $server->port);
        $redis->config('SET', 'maxclients', '30');
        $this->use('redis', $server->port);

        foreach (['phpredis', 'predis'] as $client) {
            $run = $this->kqueue(['--concurrency=40', '--isolated=2'], ['KQUEUE_TEST_REDIS_CLIENT' => $client]);
            self::assertStringContainsString(
                "The server of the Redis connection [default] takes 30 connections at once, and 42 jobs may want one (40 in lanes, 2 isolated). Lower --concurrency, raise the server's limit.",
                preg_replace('/\s+/', ' ', $run->output()),
            );
        }

        self::assertStringNotContainsString('connections at once', $this->kqueue(['--concurrency=20', '--isolated=2'])->output());
    }

    /** @return array<string, string> what makes a new server's database the default one */
    private function server(string $driver, int $most): array
    {
        ['port' => $port] = $driver === 'mysql'
            ? mysql_server("--max-connections={$most}")
            : postgres_server('-c', 'max_connections='.($most + 2), '-c', 'superuser_reserved_connections=2');
        $this->use('redis');

        return ['KQUEUE_TEST_DATABASE' => $driver, 'KQUEUE_TEST_'.strtoupper($driver).'_PORT' => (string) $port];
    }
}
