<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\App\UnruledAct;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\Large;
use PHPUnit\Framework\Attributes\TestWith;

/** A job that overruns its timeout is ended, whatever it does; the jobs beside it notice nothing. Their class is another: that of the guilty may run isolated afterwards. */
#[Large]
final class DeadlineTest extends TestCase
{
    #[TestWith(['longSleep', [30], 2.0])]
    #[TestWith(['spin', [30.0], 2.0])]
    #[TestWith(['swallowSleeping', [], 2.0])]
    #[TestWith(['swallowComputing', [], 4.0])]
    public function test_it_ends_soon_after_and_fails_as_in_laravel(string $action, array $arguments, float $late): void
    {
        $this->push((new UnruledAct($action, ...$arguments))->with(['timeout' => 1]), ...$this->neighbours());
        $run = $this->kqueue([], ['KQUEUE_TEST_EVENTS' => '1']);

        $this->assertNeighboursRanOnce($run);
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('TimeoutExceededException', $this->failures()[0]);
        self::assertSame(['JobTimedOut'], array_values(array_intersect($this->events(), ['JobTimedOut', 'JobReleasedAfterException'])));
        self::assertCount(1, array_unique(array_column(Trace::all('start'), 'pid')), 'the process lived on');

        $start = array_column(Trace::all('start'), 'at', 'detail')[$action];
        $by = Trace::all('failed')[0]['at'] - $start - 1.0;
        self::assertLessThan($late, $by);
        $this->report(sprintf('%s: failed %.3f s after its deadline', $action, $by));
    }

    /** @param  array<string, mixed>  $properties */
    #[TestWith([['tries' => 3], 3])]
    #[TestWith([['tries' => 3, 'failOnTimeout' => true], 1])]
    #[TestWith([['tries' => 5, 'maxExceptions' => 2], 2])]
    #[TestWith([['tries' => 0, 'retryFor' => 2], null])]
    public function test_attempts_are_counted_as_in_laravel(array $properties, ?int $attempts): void
    {
        $this->push((new Act('longSleep', 30))->with(['timeout' => 1, ...$properties]));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('TimeoutExceededException', $this->failures()[0]);
        $starts = count(Trace::all('start'));
        $attempts === null ? self::assertContains($starts, [1, 2, 3]) : self::assertSame($attempts, $starts);
    }

    /** Nothing in the process can end it: the master does, after the grace. */
    #[TestWith(['database', ['tries' => 1]])]
    #[TestWith(['redis', ['tries' => 1]])]
    #[TestWith(['database', ['tries' => 5, 'failOnTimeout' => true]])]
    public function test_one_call_that_does_not_end_costs_only_its_own_job_an_attempt(string $connection, array $properties): void
    {
        $this->use($connection);
        $this->push(...[...$this->neighbours(5.0), (new UnruledAct('hang', 2_000_000_000))->with(['timeout' => 1, ...$properties])]);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, $this->failures(), 'with one try each, a neighbour that had been charged would be here');
        self::assertStringContainsString('RunnerDied', $this->failures()[0]);
        self::assertMatchesRegularExpression('/hung in one call, [\d.]+ s past the timeout/', $this->failures()[0]);
        self::assertSame(0, $this->app['queue']->size());
        self::assertGreaterThanOrEqual(20, count(Trace::all('end')), $run->output());
        self::assertCount(2, array_unique(array_column(Trace::all('start'), 'pid')), 'one runner was replaced');
    }

    /** One that is only long ends the job when it returns. */
    public function test_a_long_call_is_ended_when_it_returns(): void
    {
        $began = microtime(true);
        hash_pbkdf2('sha512', 'password', 'salt', 200_000);
        // Long enough also if the machine was busy just now; and whatever it takes then is within the grace.
        $rounds = (int) (200_000 * 4.0 / (microtime(true) - $began));

        $this->push((new UnruledAct('hang', $rounds))->with(['timeout' => 1]), ...$this->neighbours());
        $run = $this->kqueue([], ['KQUEUE_TEST_GRACE' => '40']);

        $this->assertNeighboursRanOnce($run);
        self::assertStringContainsString('TimeoutExceededException', $this->failures()[0]);
        self::assertSame([], array_values(array_filter(Trace::all('end'), static fn (array $end): bool => $end['detail'] === 'hang')));
    }

    /** @return list<Act> */
    private function neighbours(float $seconds = 0.5): array
    {
        return array_map(static fn () => new Act('sleep', $seconds), range(1, 20));
    }

    private function assertNeighboursRanOnce(Process $run): void
    {
        self::assertSame(0, $run->wait(), $run->output());
        $count = static fn (string $what): int => count(array_filter(Trace::all($what), static fn (array $entry): bool => $entry['detail'] === 'sleep'));
        self::assertSame([20, 20], [$count('start'), $count('end')]);
    }

    /** @return list<string> */
    private function events(): array
    {
        return array_column(array_column(Trace::all('event'), 'detail'), 0);
    }
}
