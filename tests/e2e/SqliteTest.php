<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
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
}
