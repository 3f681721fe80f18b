<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Support\Facades\Bus;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** What an isolated job does to its process is its own affair. */
final class IsolatedTest extends TestCase
{
    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_it_runs_in_a_process_of_its_own(string $connection): void
    {
        $this->use($connection);
        $this->push(new IsolatedAct('nothing'), new Act('nothing'));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(2, array_unique(array_column(Trace::all('end'), 'pid')));
        self::assertSame(0, $this->app['queue']->size());
    }

    /** @param  list<mixed>  $arguments */
    #[TestWith(['signal', [SIGSEGV], 'killed by signal 11 (SIGSEGV)'])]
    #[TestWith(['signal', [SIGKILL], 'killed by signal 9 (SIGKILL)'])]
    #[TestWith(['exits', [], 'called exit()'])]
    #[TestWith(['fatal', [], 'fatal error: Cannot redeclare function kqueue_e2e_twice()'])]
    #[TestWith(['memory', [], 'out of memory at 64 MB'])]
    #[TestWith(['throws', ['no luck'], 'RuntimeException: no luck'])]
    public function test_the_reason_is_in_failed_jobs_and_its_neighbours_do_not_notice(string $action, array $arguments, string $reason): void
    {
        $neighbours = array_map(static fn () => new Act('sleep', 0.5), range(1, 20));
        $this->push(...$neighbours, ...[(new IsolatedAct($action, ...$arguments))->with(['maxMemory' => 64]), new IsolatedAct('nothing')]);
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(21, Trace::all('end'));
        self::assertCount(1, $this->failures());
        self::assertStringContainsString($reason, $this->failures()[0]);
        self::assertCount(1, Trace::all('failed'));
        self::assertSame(0, $this->app['queue']->size());
    }

    /** @param  list<mixed>  $arguments */
    #[TestWith(['spin', [30.0]])]
    #[TestWith(['longSleep', [30]])]
    public function test_its_timeout_ends_it(string $action, array $arguments): void
    {
        $this->push((new IsolatedAct($action, ...$arguments))->with(['timeout' => 1, 'tries' => 2]), new Act('sleep', 0.3));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(3, Trace::all('start'), 'two attempts');
        self::assertCount(1, Trace::all('end'));
        self::assertStringContainsString('TimeoutExceededException: KQueue\Tests\E2E\App\IsolatedAct has timed out', $this->failures()[0]);
    }

    public function test_a_crash_is_retried_like_any_failure(): void
    {
        $this->push((new IsolatedAct('signal', SIGSEGV))->with(['tries' => 3]));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(3, Trace::all('start'));
        self::assertCount(1, $this->failures());
    }

    public function test_release_and_own_failure(): void
    {
        $this->push(new IsolatedAct('releases', 3));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, Trace::all('start'), 'with one try, the second pick-up fails');
        self::assertStringContainsString('has been attempted too many times', $this->failures()[0]);

        $this->push((new IsolatedAct('releases', 3))->with(['tries' => 5]));
        $this->kqueue();
        self::assertCount(1 + 3, Trace::all('start'));
        self::assertCount(1, $this->failures());
    }

    public function test_no_more_children_than_asked_for(): void
    {
        $this->push(...array_map(static fn () => new IsolatedAct('sleep', 0.3), range(1, 8)));
        $run = $this->kqueue(['--isolated=2']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(8, Trace::all('end'));
        self::assertLessThanOrEqual(2, count(array_unique(array_column(Trace::all('end'), 'pid'))));
    }

    public function test_if_all_are_isolated_none_is_taken_before_a_process_is_free(): void
    {
        $this->push(...array_map(static fn () => new Act('sleep', 0.5), range(1, 6)));
        $run = $this->start('kqueue:run', ['--isolate', '--isolated=2', '--concurrency=20', '--stop-when-empty', '--sleep=0.1']);
        $this->waitForStarts(2);
        $reserved = $this->app['db']->table('jobs')->whereNotNull('reserved_at')->count();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(6, Trace::all('end'));
        self::assertLessThanOrEqual(2, $reserved);
    }

    public function test_all_jobs_can_be_isolated(): void
    {
        $this->push(...array_map(static fn () => new Act('sleep', 0.3), range(1, 4)));
        $run = $this->kqueue(['--isolate', '--isolated=4']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(4, array_unique(array_column(Trace::all('end'), 'pid')));
    }

    #[TestWith(['returns', 0])]
    #[TestWith(['throws', 255])]
    #[TestWith(['exits', 3])]
    #[TestWith(['fails', 0])]
    public function test_a_process_that_it_forks_is_not_taken_for_it(string $way, int $status): void
    {
        Bus::chain([new IsolatedAct('forks', $way), new IsolatedAct('nothing')])->dispatch();
        $run = $this->kqueue(['--isolated=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([$status], array_column(Trace::all('forked'), 'detail'), 'the job went on to its end');
        self::assertCount(2, Trace::all('start'), 'the next of the chain ran, and once');
        self::assertSame([], $this->failures());
        self::assertSame(0, $this->app['queue']->size());
    }

    public function test_what_it_leaves_in_its_process_does_not_meet_the_next(): void
    {
        $this->push(new IsolatedAct('looks'), new IsolatedAct('leaves', false), new IsolatedAct('looks'), new IsolatedAct('leaves', true), new IsolatedAct('looks'));
        $run = $this->kqueue(['--isolated=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(3, Trace::all('found'));
        self::assertCount(1, array_unique(array_column(Trace::all('found'), 'detail'), SORT_REGULAR));
        self::assertCount(3, array_unique(array_column(Trace::all('number'), 'detail'), SORT_REGULAR));

        $pids = array_column(Trace::all('end'), 'pid');
        self::assertCount(1, array_unique(array_slice($pids, 0, 4)), 'it was set back');
        self::assertNotSame($pids[3], $pids[4], 'it was replaced');
    }

    #[TestWith(['returns'])]
    #[TestWith(['exits'])]
    public function test_what_it_registers_for_the_end_of_its_process_is_called(string $then): void
    {
        $this->push(new IsolatedAct('registersShutdown', $then), new IsolatedAct('nothing'));
        $run = $this->kqueue(['--isolated=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([$then], array_column(Trace::all('shutdown'), 'detail'));
    }
}
