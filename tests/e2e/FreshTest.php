<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** Nothing that a job changes is seen by the next, if that is asked for. */
final class FreshTest extends TestCase
{
    #[TestWith(['cloned'])]
    #[TestWith(['booted'])]
    public function test_each_job_in_a_pristine_lane(string $lanes): void
    {
        $this->push(...array_map(static fn () => new Act('changes'), range(1, 40)));
        $run = $this->kqueue(['--fresh', '--concurrency=1'], ['KQUEUE_LANES' => $lanes]);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(array_fill(0, 40, []), array_column(Trace::all('seen'), 'detail'));
    }

    #[TestWith(['cloned'])]
    #[TestWith(['booted'])]
    public function test_fresh_jobs_among_others_in_one_lane(string $lanes): void
    {
        foreach (range(1, 20) as $i) {
            $this->push(new Act('changes'), new FreshAct('changes'));
        }

        $run = $this->kqueue(['--concurrency=1'], ['KQUEUE_LANES' => $lanes]);
        $seen = array_column(Trace::all('seen'), 'detail');

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, $this->app['queue']->size());
        self::assertSame([], $this->failures());
        self::assertCount(40, $seen);

        foreach ($seen as $i => $changes) {
            if ($i % 2) {
                self::assertSame([], $changes, "fresh job {$i}");
            } elseif ($i > 0) {
                // Laravel itself resets what is scoped. That the rest is found shows that the test can fail.
                self::assertSame(['static property', 'singleton', 'config', 'locale', 'model', 'connection', 'listener'], $changes, "job {$i}");
            }
        }
    }

    #[TestWith([Act::class, ['--fresh', '--concurrency=1'], 'cloned'])]
    #[TestWith([Act::class, ['--fresh', '--concurrency=10'], 'cloned'])]
    #[TestWith([FreshAct::class, ['--concurrency=10'], 'cloned'])]
    #[TestWith([Act::class, ['--fresh', '--concurrency=1'], 'booted'])]
    public function test_memory_stays_flat(string $class, array $arguments, string $lanes): void
    {
        $this->use('redis');
        $jobs = $lanes === 'booted' ? 500 : 2000;
        $this->push(...array_map(static fn () => new $class('changes'), range(1, $jobs)));
        $begin = microtime(true);
        $run = $this->kqueue($arguments, ['KQUEUE_LANES' => $lanes], seconds: 180);
        $seconds = microtime(true) - $begin;
        $memory = array_column(Trace::all('memory'), 'detail');

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount($jobs, $memory);
        $tenth = intdiv($jobs, 10);
        $early = max(array_slice($memory, $tenth, $tenth));
        $late = max(array_slice($memory, -$tenth));
        // Booting registers an autoloader and a shutdown function each time, which only the process's end takes back: 4 KB a job.
        self::assertLessThan($lanes === 'booted' ? 5.0 : 1.0, ($late - $early) / 1048576, 'MB');
        $this->report(sprintf(
            '%d fresh jobs, %s, %s: %.2f ms each; %.1f MB early, %.1f MB late', $jobs, implode(' ', $arguments), $lanes, $seconds * 1000 / $jobs, $early / 1048576, $late / 1048576,
        ));
    }
}
