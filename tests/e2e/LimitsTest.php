<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\LargeProvider;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\Large;
use PHPUnit\Framework\Attributes\TestWith;

/** What the system lets a process have, and what becomes of jobs where that is too little. */
#[Large]
final class LimitsTest extends TestCase
{
    public function test_many_lanes_have_more_descriptors_than_the_soft_limit(): void
    {
        $this->use('redis');
        $this->push(...array_map(static fn (): Act => new Act('holds', 3, 2.0), range(1, 2000)));
        $run = $this->limited('-Sn 1024', ['--concurrency=2000', '--memory=4096']);

        self::assertSame(0, $run->wait(120), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(2000, Trace::all('end'));
        self::assertStringNotContainsString('at once (its hard limit)', $run->output());
    }

    /** Each lane has its connection to the database too, of three descriptors. */
    #[TestWith(['database', 540, 0])]
    #[TestWith(['redis', 500, 6])]
    public function test_no_job_is_lost_where_the_hard_limit_is_too_low(string $connection, int $count, int $held): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn (): Act => (new Act('holds', $held, 0.5))->with(['tries' => 2]), range(1, $count)));
        $run = $this->limited('-n 1024', ["--concurrency={$count}", '--memory=2048']);

        self::assertSame(0, $run->wait(120), $run->output());
        self::assertSame(0, $this->app['queue']->size());
        self::assertSame($count, count(Trace::all('end')) + count($this->failures()), $run->output());
        self::assertMatchesRegularExpression('/may have 1024 files and connections open at once.+Raise the limit to \d+/s', preg_replace('/\s+/', ' ', $run->output()));
    }

    /** All of them want more than there is, and only then. */
    public function test_jobs_that_fail_for_want_of_descriptors_are_in_failed_jobs(): void
    {
        $this->use('redis');
        $this->push(...array_map(static fn (): Act => (new Act('holdsLater', 40, 3.0))->with(['tries' => 1]), range(1, 60)));
        $run = $this->limited('-n 1024', ['--concurrency=60']);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertSame(0, $this->app['queue']->size());
        self::assertNotSame([], $this->failures());
        self::assertSame(60, count(Trace::all('end')) + count($this->failures()), $run->output());
    }

    public function test_programs_of_jobs_have_the_old_limit_and_are_read_from_high_descriptors(): void
    {
        $this->push(new Act('runsPrograms', 0), new Act('runsPrograms', 1100));
        $run = $this->limited('-Sn 1000', ['--concurrency=2']);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertSame([], $this->failures());
        $same = array_fill_keys(['exec', 'proc_open', 'Process'], '1000');
        self::assertSame([$same, $same], array_column(Trace::all('result'), 'detail'));
    }

    public function test_the_default_of_memory_leaves_room_for_the_lanes_of_a_large_application(): void
    {
        $this->push(...array_map(static fn (): Act => new Act('sleep', 0.5), range(1, 60)));
        $run = $this->kqueue(['--concurrency=30', '-v'], ['KQUEUE_TEST_PROVIDER' => LargeProvider::class]);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertCount(60, Trace::all('end'));
        self::assertMatchesRegularExpression('/Each lane copies .+\((\d+) KB/', $run->output());
        preg_match('/Each lane copies .+\((\d+) KB/', $run->output(), $found);
        self::assertGreaterThan(128 + 2 * 30, $found[1] * 30 / 1024, 'the lanes alone take more than the limit would be without them');
    }

    #[TestWith(['recurses'])]
    #[TestWith(['collects'])]
    public function test_a_job_that_uses_too_much_memory_fails_alone(string $action): void
    {
        $neighbours = array_map(static fn (): Act => new Act('sleep', 1.0), range(1, 20));
        $this->push(...$neighbours, ...[(new Act($action))->with(['tries' => 1])]);
        $run = $this->kqueue([], ['KQUEUE_TEST_CONFIG' => '{"kqueue.max_memory":100,"kqueue.auto.memory":0,"kqueue.auto.slice":0}']);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertCount(20, Trace::all('end'));
        self::assertCount(1, $this->failures());
        self::assertMatchesRegularExpression('/OutOfMemory: KQueue\\\\Tests\\\\E2E\\\\App\\\\Act \(\d+\) used more than the 100 MB that one job may have \(config kqueue.max_memory/', $this->failures()[0]);
        self::assertCount(1, array_unique(array_column(Trace::all('start'), 'pid')), 'the process lived on');
    }

    /** @param  list<string>  $arguments */
    private function limited(string $limit, array $arguments): Process
    {
        $command = [getenv('KQUEUE_PHP_BINARY') ?: PHP_BINARY, __DIR__.'/app/artisan', 'kqueue:run', '--stop-when-empty', '--sleep=0.05', '--no-ansi', ...$arguments];

        return new Process(['/bin/sh', '-c', "ulimit {$limit}; exec \"\$@\"", 'sh', ...$command], []);
    }
}
