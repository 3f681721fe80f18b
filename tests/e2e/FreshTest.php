<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Contracts\Queue\Interruptible;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\InterruptibleAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\Large;
use PHPUnit\Framework\Attributes\TestWith;

/** Nothing that a job changes is seen by the next, if that is asked for. */
#[Large]
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

    /** 1,000 jobs, each of which changes things at random, in one lane after the other. KQUEUE_SEED=n runs that one and another after it. */
    #[TestWith(['cloned', 400])]
    #[TestWith(['booted', 100])]
    public function test_whatever_jobs_change_the_next_sees_nothing_of_it(string $lanes, int $count): void
    {
        $seeds = $this->mutate(Act::class, ['--fresh'], $lanes, $count);

        $this->assertAllFoundTheSame($seeds, Trace::all('state'));
    }

    /** The jobs between them are not fresh, and leave behind what they can. */
    #[TestWith(['cloned', 400])]
    #[TestWith(['booted', 100])]
    public function test_whatever_a_lane_has_become_a_fresh_job_sees_nothing_of_it(string $lanes, int $count): void
    {
        $seeds = $this->mutate(FreshAct::class, [], $lanes, $count, between: Act::class);
        $states = array_values(array_filter(Trace::all('state'), static fn (array $entry): bool => $entry['detail'][0] < 1_000_000));

        // They serve the whole process as long as their lane lives: docs/isolation.md.
        foreach ($states as $i => $entry) {
            unset($states[$i]['detail'][1]['autoloader']);
        }

        $this->assertAllFoundTheSame($seeds, $states);
    }

    public function test_without_that_they_see_a_lot(): void
    {
        $this->mutate(Act::class, [], 'cloned', 60);
        $states = array_column(array_column(Trace::all('state'), 'detail'), 1);
        $seen = array_filter(array_keys($states[0]), static fn (string $kind): bool => count(array_unique(array_column($states, $kind))) > 1);

        // Laravel takes back what is scoped, the lane transactions, output buffers and handlers.
        self::assertGreaterThan(30, count($seen), implode(', ', $seen));
    }

    #[TestWith(['exits'])]
    #[TestWith(['swallowComputing', ['timeout' => 1]])]
    public function test_a_fresh_job_that_leaves_by_exit_leaves_no_transaction(string $action, array $properties = []): void
    {
        $this->use('redis');
        $this->push((new FreshAct('leavesTransactionBy', $action))->with(['tries' => 1, ...$properties]), new FreshAct('writes', 'free', 0.0), new Act('writes', 'free', 0.0));
        $run = $this->kqueue(['--concurrency=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, $this->failures());
        self::assertStringContainsString($action === 'exits' ? 'called exit()' : 'has timed out', $this->failures()[0]);
        self::assertStringContainsString('left a transaction open on the database connection [sqlite]', $this->log());
        self::assertSame(8, $this->app['db']->table('rows')->where('owner', 'free')->count());
        self::assertSame(0, $this->app['db']->table('rows')->where('kind', 'never')->count());
    }

    public function test_a_fresh_job_is_told_of_a_stop_signal(): void
    {
        if (! interface_exists(Interruptible::class)) {
            self::markTestSkipped('This Laravel has no interruptible jobs.');
        }

        $this->push(...array_map(static fn () => (new InterruptibleAct('untilInterrupted'))->with(['fresh' => true]), range(1, 3)));
        $run = $this->start('kqueue:run', ['--concurrency=5', '--sleep=0.1']);
        $this->waitForStarts(3);
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame(array_fill(0, 3, SIGTERM), array_column(Trace::all('interrupted'), 'detail'));
        self::assertEqualsCanonicalizing(array_column(Trace::all('start'), 'app'), array_column(Trace::all('interrupted'), 'app'), 'each in its own application');
        self::assertCount(3, Trace::all('end'));
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
        self::assertLessThan(1.0, ($late - $early) / 1048576, 'MB');
        $this->report(sprintf(
            '%d fresh jobs, %s, %s: %.2f ms each; %.1f MB early, %.1f MB late', $jobs, implode(' ', $arguments), $lanes, $seconds * 1000 / $jobs, $early / 1048576, $late / 1048576,
        ));
    }

    /**
     * @param  class-string<Act>  $class
     * @param  list<string>  $arguments
     * @param  class-string<Act>|null  $between
     * @return list<int> the seeds
     */
    private function mutate(string $class, array $arguments, string $lanes, int $count, ?string $between = null): array
    {
        $seed = getenv('KQUEUE_SEED');
        $seeds = is_numeric($seed) ? [(int) $seed, (int) $seed + 1] : range(1, $count);
        $this->use('redis');

        foreach ($seeds as $seed) {
            $between === null || $this->push((new $between('mutates', 1_000_000 + $seed))->with(['tries' => 1]));
            $this->push((new $class('mutates', $seed))->with(['tries' => 1]));
        }

        $run = $this->kqueue(['--concurrency=1', ...$arguments], ['KQUEUE_LANES' => $lanes], seconds: 180);

        self::assertSame(0, $run->wait(), $run->output());

        return $seeds;
    }

    /**
     * @param  list<int>  $seeds
     * @param  list<array{detail: array{int, array<string, string>}}>  $states
     */
    private function assertAllFoundTheSame(array $seeds, array $states): void
    {
        self::assertSame($seeds, array_map(static fn (array $entry): int => $entry['detail'][0], $states));
        $blind = array_filter(array_column(array_column(Trace::all('blind'), 'detail'), 1, 0), static fn (array $kinds, int $seed): bool => $kinds !== [] && $seed < 1_000_000, ARRAY_FILTER_USE_BOTH);
        self::assertSame([], $blind, 'changes that their own job did not see');
        $pristine = $states[0]['detail'][1];
        $wrong = [];

        foreach ($states as $i => $entry) {
            if ($entry['detail'][1] !== $pristine) {
                $wrong[] = 'after KQUEUE_SEED='.$states[$i - 1]['detail'][0].': '.json_encode(array_diff_assoc($entry['detail'][1], $pristine));
            }
        }

        self::assertSame([], array_slice($wrong, 0, 5), count($wrong).' of '.count($seeds).' jobs found what others had changed');
    }
}
