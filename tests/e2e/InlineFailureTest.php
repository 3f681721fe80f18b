<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Row;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** What an inline job does wrong costs the jobs beside it nothing. */
final class InlineFailureTest extends TestCase
{
    /** @param  list<mixed>  $arguments */
    #[TestWith(['longSleep', [30]])]
    #[TestWith(['spin', [30.0]])]
    public function test_its_timeout_ends_it(string $action, array $arguments): void
    {
        $this->push((new Act($action, ...$arguments))->with(['timeout' => 1, 'tries' => 2]), ...$this->neighbours());
        // Otherwise one that computes for its second may, or may not, be found to hold the loop, and runs isolated then.
        $run = $this->kqueue([], ['KQUEUE_TEST_CONFIG' => '{"kqueue.auto.slice":0}']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(22, Trace::all('start'), 'two attempts');
        self::assertCount(20, Trace::all('end'));
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('TimeoutExceededException: KQueue\Tests\E2E\App\Act has timed out', $this->failures()[0]);
        self::assertCount(1, array_unique(array_column(Trace::all('start'), 'pid')), 'the process lived on');
    }

    public function test_exit_is_a_failed_attempt(): void
    {
        $this->push(new Act('exits'), ...$this->neighbours());
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(20, Trace::all('end'));
        self::assertStringContainsString('JobExited: KQueue\Tests\E2E\App\Act called exit()', $this->failures()[0]);
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_a_crash_costs_its_neighbours_no_attempt(string $connection): void
    {
        $this->use($connection);
        $this->push(...[...$this->neighbours(), (new Act('signal', SIGSEGV))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertGreaterThanOrEqual(20, count(Trace::all('end')));
        self::assertCount(1, $this->failures(), 'with one try each, a neighbour that had been charged would be here');
        self::assertStringContainsString('killed by signal 11 (SIGSEGV)', $this->failures()[0]);
        self::assertSame(0, $this->app['queue']->size());
    }

    public function test_a_transaction_left_open_is_rolled_back(): void
    {
        $this->push(new Act('leavesTransaction', 'a'), new Act('writes', 'bb', 0.1));
        $run = $this->kqueue(['--concurrency=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, Row::where('kind', 'never')->count());
    }

    public function test_an_output_buffer_left_open_is_closed(): void
    {
        $this->push(new Act('leavesBuffer'), new Act('nothing'));
        $run = $this->kqueue(['--concurrency=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertStringContainsString('left 1 output buffer(s) open', $this->log());
        self::assertCount(2, Trace::all('end'));
    }

    /** @return list<Act> */
    private function neighbours(): array
    {
        return array_map(static fn () => new Act('sleep', 0.5), range(1, 20));
    }
}
