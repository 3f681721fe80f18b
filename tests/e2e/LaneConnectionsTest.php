<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

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
            ['KQUEUE_TEST_MAX' => '3', 'KQUEUE_LANES' => $booted ? 'booted' : 'cloned'],
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
        $run = $this->kqueue(['--concurrency=2'], ['KQUEUE_TEST_MAX' => '1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, Trace::all('connections'));
        self::assertStringContainsString('has timed out', implode($this->failures()));
    }

    public function test_a_fresh_job_does_not_wait_for_its_own_lane(): void
    {
        $this->push(...array_map(static fn () => new FreshAct('connects', 0.05), range(1, 6)));
        $run = $this->kqueue(['--concurrency=3'], ['KQUEUE_TEST_MAX' => '1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertSame(2, max(array_column(Trace::all('connections'), 'detail')), 'the lane\'s and the job\'s');
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
}
