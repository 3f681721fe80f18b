<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** Waits overlap. Times are printed; what is asserted is only far from one job after another. */
final class ConcurrencyTest extends TestCase
{
    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_two_hundred_jobs_of_a_second(string $connection): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn () => new Act('longSleep', 1), range(1, 200)));

        $begin = microtime(true);
        $run = $this->kqueue(['--concurrency=200']);
        $wall = microtime(true) - $begin;

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(200, Trace::all('end'));
        self::assertSame(0, $this->app['queue']->size());
        self::assertCount(1, array_unique(array_column(Trace::all('end'), 'pid')), 'all in one process');
        self::assertLessThan(20.0, $wall);
        $this->report(sprintf('200 jobs of 1 s on %s: %.2f s', $connection, $wall));
    }

    public function test_no_more_jobs_at_once_than_asked_for(): void
    {
        $this->push(...array_map(static fn () => new Act('sleep', 0.2), range(1, 30)));
        $run = $this->kqueue(['--concurrency=5']);

        self::assertSame(0, $run->wait(), $run->output());

        $running = $most = 0;

        foreach (Trace::all() as $entry) {
            $running += $entry['what'] === 'start' ? 1 : -1;
            $most = max($most, $running);
        }

        self::assertSame(5, $most);
    }

    public function test_web_requests_overlap(): void
    {
        $server = proc_open([PHP_BINARY, dirname(__DIR__, 2).'/examples/laravel/tools/slow-server.php'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
        $url = 'http://127.0.0.1:'.trim(fgets($pipes[1])).'/?ms=1000';
        $this->push(...array_map(static fn () => new Act('fetch', $url), range(1, 200)));

        $begin = microtime(true);
        $run = $this->kqueue(['--concurrency=200']);
        $wall = microtime(true) - $begin;
        array_map(fclose(...), $pipes);
        proc_terminate($server);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(200, Trace::all('end'));
        self::assertLessThan(30.0, $wall);
        $this->report(sprintf('200 web requests of 1 s: %.2f s', $wall));
    }

    public function test_one_job_makes_ten_web_requests_at_once(): void
    {
        if (! interface_exists(\Illuminate\Contracts\Concurrency\Driver::class)) {
            self::markTestSkipped('Laravel 10 has no Concurrency.');
        }

        $server = proc_open([PHP_BINARY, dirname(__DIR__, 2).'/examples/laravel/tools/slow-server.php'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
        $url = 'http://127.0.0.1:'.trim(fgets($pipes[1])).'/?ms=1000';
        $this->push(new Act('fetchMany', $url, 10), new Act('fetchMany', $url, 10), new Act('failsSideBySide'), (new Act('waitsSideBySide'))->with(['timeout' => 1]));

        $run = $this->kqueue();
        array_map(fclose(...), $pipes);
        proc_terminate($server);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(['fetchMany', 'fetchMany'], array_column(Trace::all('end'), 'detail'), $this->log());
        self::assertCount(2, $this->failures());
        self::assertStringContainsString('RuntimeException: in a task', implode($this->failures()));
        self::assertStringContainsString('TimeoutExceededException', implode($this->failures()));

        $wall = Trace::all('end')[0]['at'] - Trace::all('start')[0]['at'];
        self::assertLessThan(6.0, $wall);
        $this->report(sprintf('ten web requests of 1 s in one job: %.2f s', $wall));
    }

    public function test_tasks_of_one_job_share_its_connections(): void
    {
        if (! interface_exists(\Illuminate\Contracts\Concurrency\Driver::class)) {
            self::markTestSkipped('Laravel 10 has no Concurrency.');
        }

        $this->use('redis');
        $this->push(...array_map(static fn (int $i) => new Act('storesSideBySide', "j{$i}", 10), range(1, 3)));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(3, Trace::all('end'), $this->log());
    }

    public function test_a_job_that_computes_delays_others_but_loses_none(): void
    {
        $this->push(new Act('spin', 1.0), ...array_map(static fn () => new Act('sleep', 0.2), range(1, 20)));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(21, Trace::all('end'));
    }
}
