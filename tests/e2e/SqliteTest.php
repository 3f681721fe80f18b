<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** SQLite as Laravel creates it, and as it has to be where jobs run beside each other. */
final class SqliteTest extends TestCase
{
    /** How many of the jobs fail is SQLite's doing; that none does once the setting is as the warning says is what matters. */
    #[TestWith(['DEFERRED', true])]
    #[TestWith(['IMMEDIATE', false])]
    public function test_jobs_that_read_then_wait_then_write_in_a_transaction(string $mode, bool $warned): void
    {
        $this->use('redis');
        $this->push(...array_map(static fn () => (new Act('readsThenWrites', 0.02))->with(['tries' => 1]), range(1, 20)));
        $run = $this->kqueue(['--concurrency=2'], ['KQUEUE_TEST_TRANSACTIONS' => $mode, 'TMPDIR' => $this->folder]);

        self::assertSame(0, $run->wait(), $run->output());
        $output = preg_replace('/\s+/', ' ', $run->output());
        $warning = 'in a transaction on the SQLite connection [sqlite], will fail with "database is locked"';
        $warned ? self::assertStringContainsString($warning, $output) : self::assertStringNotContainsString('SQLite', $output);
        self::assertSame([], glob("{$this->folder}/kqueue-sqlite-*"), 'what it was tried with');
        $locked = preg_grep('/database is locked/', $this->failures());
        self::assertSame($warned, count($locked) > 0, implode("\n", $this->failures()));
        self::assertSame(20, count($locked) + (int) $this->app['db']->table('rows')->count());
    }

    /** The job itself locks the file as its lane, which has a connection of its own, is to delete it. */
    #[TestWith([FreshAct::class, 'nothing', 0])]
    #[TestWith([FreshAct::class, 'releases', 0])]
    #[TestWith([FreshAct::class, 'failsItself', 1])]
    #[TestWith([FreshAct::class, 'throws', 1])]
    #[TestWith([IsolatedAct::class, 'nothing', 0])]
    #[TestWith([IsolatedAct::class, 'releases', 0])]
    #[TestWith([IsolatedAct::class, 'failsItself', 1])]
    #[TestWith([IsolatedAct::class, 'throws', 1])]
    public function test_a_job_that_leaves_a_transaction_open_on_the_file_of_its_queue(string $class, string $action, int $failures): void
    {
        $this->push((new $class('leavesTransactionBy', $action, ...($action === 'releases' ? [2] : [])))->with(['tries' => $action === 'releases' ? 2 : 1]));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, $this->app['db']->table('jobs')->count(), $this->log());
        self::assertCount($action === 'releases' ? 2 : 1, $starts = Trace::all('start'));
        self::assertCount($failures, $this->failures());
        self::assertCount($failures, Trace::all('failed'));
        self::assertSame(count($starts), substr_count($this->log(), 'left a transaction open on the database connection [sqlite]'), $this->log());
        self::assertSame(0, $this->app['db']->table('rows')->count());
        self::assertStringNotContainsString('database is locked', $this->log());
    }

    /** One that it ends itself: what it asked for in it is done then. */
    #[TestWith([FreshAct::class])]
    #[TestWith([IsolatedAct::class])]
    public function test_a_job_that_fails_itself_in_a_transaction(string $class): void
    {
        $this->push((new $class('failsInTransaction'))->with(['tries' => 1]));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, $this->app['db']->table('jobs')->count(), $this->log());
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('by its own decision', $this->failures()[0]);
        self::assertSame(1, $this->app['db']->table('rows')->count());
    }
}
