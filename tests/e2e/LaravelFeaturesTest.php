<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Middleware\RateLimited;
use Illuminate\Queue\Middleware\WithoutOverlapping;
use Illuminate\Support\Facades\Bus;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Actions;
use KQueue\Tests\E2E\App\BatchAct;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\MiddlewareAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\App\UniqueAct;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** Jobs keep what Laravel promises them. */
final class LaravelFeaturesTest extends TestCase
{
    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_retries_and_backoff(string $connection): void
    {
        $this->use($connection);
        $this->push((new Act('throwsBelow', 3))->with(['tries' => 3, 'backoff' => [0, 2]]), (new Act('throws', 'never'))->with(['tries' => 2]));
        $run = $this->start('kqueue:run', ['--sleep=0.1']);
        $this->waitFor(fn (): bool => Trace::all('end') !== [] && $this->failures() !== [], 'both jobs');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, Trace::all('end'));
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('RuntimeException: never', $this->failures()[0]);

        $attempts = array_values(array_filter(Trace::all('start'), static fn (array $entry): bool => $entry['detail'] === 'throwsBelow'));
        self::assertCount(3, $attempts);
        // Queues count whole seconds.
        self::assertGreaterThan(0.9, $attempts[2]['at'] - $attempts[1]['at']);
    }

    public function test_a_chain_runs_in_order_in_any_kind_of_job(): void
    {
        Bus::chain([new Act('sleep', 0.2), new IsolatedAct('sleep', 0.1), new Act('nothing'), new IsolatedAct('exits'), new Act('spin', 0.0)])->dispatch();
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(['sleep', 'sleep', 'nothing', 'exits'], array_column(Trace::all('start'), 'detail'));
        self::assertCount(1, $this->failures());
    }

    public function test_a_batch_is_counted_right_with_all_of_its_jobs_at_once(): void
    {
        $batch = Bus::batch(array_map(static fn () => new BatchAct('sleep', 0.1), range(1, 50)))
            ->then(Actions::batchDone())
            ->dispatch();
        $run = $this->kqueue(['--concurrency=50']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([0, 0], [$batch->fresh()->pendingJobs, $batch->fresh()->failedJobs]);
        self::assertCount(1, Trace::all('batch done'));
    }

    #[TestWith(['cloned'])]
    #[TestWith(['booted'])]
    public function test_queued_closures_run_in_every_lane(string $lanes): void
    {
        for ($i = 0; $i < 20; $i++) {
            dispatch(Actions::queuedClosure($i));
        }

        $run = $this->kqueue(['--concurrency=20'], ['KQUEUE_LANES' => $lanes]);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertEqualsCanonicalizing(range(0, 19), array_column(Trace::all('closure'), 'detail'));
    }

    public function test_without_overlapping_holds_between_lanes(): void
    {
        foreach (range(1, 5) as $i) {
            $this->push((new MiddlewareAct('sleep', 0.2))->with(['through' => [(new WithoutOverlapping('key'))->releaseAfter(0)], 'tries' => 1_000_000]));
        }

        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(['start', 'end', 'start', 'end', 'start', 'end', 'start', 'end', 'start', 'end'], array_column(Trace::all(), 'what'));
    }

    public function test_rate_limits_hold_between_lanes(): void
    {
        foreach (range(1, 10) as $i) {
            $this->push((new MiddlewareAct('sleep', 0.1))->with(['through' => [(new RateLimited('two'))->dontRelease()]]));
        }

        $run = $this->kqueue(['--concurrency=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(2, Trace::all('end'));
    }

    public function test_unique_and_encrypted(): void
    {
        $this->push(new UniqueAct('sleep', 0.1), new UniqueAct('sleep', 0.1));
        self::assertSame(1, $this->app['queue']->size());

        $run = $this->kqueue();
        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, Trace::all('end'));

        $this->push(new UniqueAct('sleep', 0.1));
        self::assertSame(1, $this->app['queue']->size(), 'the lock was given back');
    }

    public function test_a_job_queued_by_a_job_is_run_before_the_queue_counts_as_empty(): void
    {
        $this->push(new Act('queuesAnother', 'queuesAnother', 'queuesAnother', 'sleep', 0.1), new IsolatedAct('queuesAnother', 'nothing'));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(6, Trace::all('end'));
    }

    #[TestWith([false])]
    #[TestWith([true])]
    public function test_each_job_has_the_events_that_queue_work_fires(bool $isolated): void
    {
        $jobs = fn (): array => array_map(static fn (Act $job): Act => $isolated ? (new IsolatedAct($job->action, ...$job->arguments))->with(['tries' => $job->tries]) : $job, [
            new Act('nothing'), new Act('throws'), (new Act('throwsBelow', 2))->with(['tries' => 2]), (new Act('releases', 2))->with(['tries' => 2]),
        ]);

        $this->push(...$jobs());
        $this->start('queue:work', ['--stop-when-empty', '--sleep=0'], ['KQUEUE_TEST_EVENTS' => '1'])->wait();
        $expected = $this->eventsByJob();
        unlink("{$this->folder}/trace");

        $this->push(...$jobs());
        $this->kqueue([], ['KQUEUE_TEST_EVENTS' => '1']);

        self::assertCount(4, $expected);
        self::assertSame($expected, $this->eventsByJob());
    }

    public function test_output_is_that_of_queue_work(): void
    {
        $this->push(new Act('nothing'), new Act('throws'), new IsolatedAct('nothing'));
        $run = $this->kqueue(['-v']);
        preg_match_all('/^  \S+ \S+ (\S+) .*(RUNNING|DONE|FAIL)$/m', $run->output(), $lines, PREG_SET_ORDER);

        self::assertCount(6, $lines, $run->output());
        self::assertCount(3, array_filter($lines, static fn (array $line): bool => $line[2] === 'RUNNING'));
        self::assertCount(2, array_filter($lines, static fn (array $line): bool => $line[2] === 'DONE'));
        self::assertCount(1, array_filter($lines, static fn (array $line): bool => $line[2] === 'FAIL'));

        $this->push(new Act('nothing'), new Act('exits'), new IsolatedAct('throws'));
        preg_match_all('/(RUNNING|DONE|FAIL)$/m', $this->kqueue()->output(), $lines);
        sort($lines[1]);
        self::assertSame(['DONE', 'FAIL', 'FAIL'], $lines[1]);

        if (! $this->app->make(WorkCommand::class)->getDefinition()->hasOption('json')) {
            return;
        }

        $this->push(new Act('nothing'), new IsolatedAct('throws'));
        $run = $this->kqueue(['--json']);
        $entries = array_map(static fn (string $line): array => json_decode($line, true), explode("\n", trim($run->output())));

        self::assertSame(['starting', 'success'], array_column(array_filter($entries, static fn (array $entry): bool => ($entry['job'] ?? null) === Act::class), 'status'));
        self::assertSame(['starting', 'failed'], array_column(array_filter($entries, static fn (array $entry): bool => ($entry['job'] ?? null) === IsolatedAct::class), 'status'));
        self::assertSame('stopped', end($entries)['status']);
        self::assertEqualsCanonicalizing([false, false, true, true], array_column($entries, 'isolated'));
        self::assertCount(2, array_unique(array_column($entries, 'pid')));
    }

    /** @return list<list<string>> in the order in which the jobs were queued */
    private function eventsByJob(): array
    {
        $events = [];

        foreach (Trace::all('event') as ['detail' => [$name, $uuid]]) {
            if ($uuid !== null) {
                $events[$uuid][] = $name;
            }
        }

        ksort($events);
        $events = array_values(array_map(static fn (array $names): array => array_values(array_diff($names, ['JobPopped'])), $events));
        sort($events);

        return $events;
    }
}
