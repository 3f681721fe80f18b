<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/** A lane begins as a fork of the booted worker would: with what PHP does once per process. */
final class ProcessStateTest extends TestCase
{
    private const JOBS = 6;

    /** @return array<string, array{list<string>, array<string, string>, class-string<Act>}> */
    public static function ways(): array
    {
        return [
            'cloned lanes' => [['--concurrency=3'], [], Act::class],
            'one cloned lane for each job' => [['--fresh', '--concurrency=3'], [], Act::class],
            'fresh jobs' => [['--concurrency=3'], [], FreshAct::class],
            'booted lanes' => [['--concurrency=3'], ['KQUEUE_LANES' => 'booted'], Act::class],
            'one booted lane for each job' => [['--fresh', '--concurrency=3'], ['KQUEUE_LANES' => 'booted'], Act::class],
            'what cannot be copied' => [['--concurrency=3'], ['KQUEUE_TEST_UNCOPYABLE' => '1'], Act::class],
            'isolated' => [['--isolate', '--isolated=2'], ['KQUEUE_CHILD_JOBS' => '1'], Act::class],
        ];
    }

    /** A file that declares something runs once in a process, whatever else it does: the run's first lane is looked at. */
    public function test_jobs_run_isolated_if_lanes_lack_something(): void
    {
        $this->push(new Act('once'), new Act('once'));
        $run = $this->start('kqueue:run', ['--stop-when-empty', '--sleep=0', '--concurrency=2'], ['KQUEUE_LANES' => 'booted', 'KQUEUE_TEST_ONCE' => '1', 'KQUEUE_TEST_MIXED' => '1']);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertSame([], $this->failures());
        self::assertSame(['macro of mixed.php', 'macro of mixed.php'], array_column(array_column(Trace::all('seen'), 'detail'), 'a file that does both'));
        self::assertStringContainsString('KQueue runs every job isolated: lanes lack what booting has left in the process (macros Illuminate\Support\Str::mixed()).', $run->output());
        self::assertStringContainsString('lanes lack what booting has left', $this->log());
    }

    /**
     * @param  list<string>  $arguments
     * @param  array<string, string>  $environment
     * @param  class-string<Act>  $job
     */
    #[DataProvider('ways')]
    public function test_what_php_does_once_per_process(array $arguments, array $environment, string $job): void
    {
        $this->push(new Act('once'));
        $worker = $this->start('queue:work', ['--once', '--sleep=0'], ['KQUEUE_TEST_ONCE' => '1']);
        self::assertSame(0, $worker->wait(60), $worker->output());
        $expected = Trace::all('seen')[0]['detail'];
        self::assertSame([11 + 1, ['set by' => 'files.php'], 'macro of files.php'], $expected['a file that declares functions']);

        $this->push(...array_map(static fn (): Act => new $job('once'), range(1, self::JOBS)));
        $run = $this->start('kqueue:run', ['--stop-when-empty', '--sleep=0', ...$arguments], $environment + ['KQUEUE_TEST_ONCE' => '1']);
        self::assertSame(0, $run->wait(60), $run->output());
        self::assertSame([], $this->failures());

        $seen = array_slice(array_column(Trace::all('seen'), 'detail'), 1);
        self::assertCount(self::JOBS, $seen, $run->output());
        // Lanes that run one job after another go on with what the last one left, as a worker does.
        self::assertSame($expected, $seen[0]);
        self::assertSame(str_contains(implode(' ', $arguments), '--fresh') || $job === FreshAct::class || isset($environment['KQUEUE_CHILD_JOBS']) ? self::JOBS : 3, count(array_keys($seen, $expected)), json_encode($seen, JSON_PRETTY_PRINT));
    }
}
