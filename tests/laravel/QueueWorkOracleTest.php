<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Queue\Queue;
use Illuminate\Support\Facades\Bus;
use KQueue\Support\Laravel;
use KQueue\Testing\FakeEngine;
use KQueue\Tests\Laravel\Fixtures\IsolatedJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use PHPUnit\Framework\Attributes\DataProvider;
use RuntimeException;

/** queue:work is the oracle: the same jobs must cause the same events and leave the same rows, inline and isolated. */
final class QueueWorkOracleTest extends TestCase
{
    /** @return array<string, array{class-string<TestJob>, array<string, mixed>}> */
    public static function situations(): array
    {
        $situations = [
            'success' => [],
            'a retry, then success' => ['tries' => 2, 'backoff' => '0'],
            'the last attempt fails' => ['tries' => 2, 'backoff' => '0'],
            'the only attempt fails' => [],
            'it fails itself' => [],
            'it releases itself' => ['tries' => 3],
            'it deletes itself' => [],
            'picked up too often' => ['tries' => 1],
            'a chain' => [],
            'a batch' => [],
        ];
        $cases = [];

        foreach ($situations as $name => $arguments) {
            $cases["{$name}, inline"] = [TestJob::class, $name, $arguments];
            $cases["{$name}, isolated"] = [IsolatedJob::class, $name, $arguments];
        }

        return $cases;
    }

    /**
     * @param  class-string<TestJob>  $class
     * @param  array<string, mixed>  $arguments
     */
    #[DataProvider('situations')]
    public function test_same_as_queue_work(string $class, string $situation, array $arguments): void
    {
        $expected = $this->trace('queue:work', $class, $situation, $arguments);
        $actual = $this->trace('kqueue:run', $class, $situation, $arguments);

        if ($class === IsolatedJob::class) {
            $expected['events'] = $this->withAChild($expected['events']);
        }

        self::assertNotSame([], $expected['ran']);
        self::assertSame($expected, $actual);
    }

    /**
     * The child's application is told of a worker of its own. (It is let go without an end here: that is the engine's.)
     *
     * @param  list<string>  $events
     * @return list<string>
     */
    private function withAChild(array $events): array
    {
        $started = ! in_array('WorkerStarting', $events, true);
        $all = [];

        foreach ($events as $event) {
            if ($event === 'JobProcessing') {
                array_push($all, ...$started ? [] : ['WorkerStarting'], ...['Looping']);
                $started = true;
            }

            $all[] = $event;
        }

        return $all;
    }

    /**
     * The command is Laravel's, its worker is ours.
     *
     * @param  class-string<TestJob>  $class
     * @param  array<string, mixed>  $arguments
     */
    #[DataProvider('situations')]
    public function test_same_in_process(string $class, string $situation, array $arguments): void
    {
        $expected = $this->trace('queue:work', $class, $situation, $arguments);
        $actual = $this->trace('queue:work', $class, $situation, $arguments, true);

        self::assertNotSame([], $expected['ran']);
        self::assertSame($expected, $actual);
    }

    /**
     * @param  class-string<TestJob>  $class
     * @param  array<string, mixed>  $arguments
     * @return array<string, mixed>
     */
    private function trace(string $command, string $class, string $situation, array $arguments, bool $inProcess = false): array
    {
        $this->tearDown();
        $this->setUp();
        Laravel::forgetListeners();
        $this->app['config']->set('kqueue.worker', $inProcess);

        Recorder::$handlers['job'] = static function (TestJob $job) use ($situation): void {
            match ($situation) {
                'a retry, then success' => $job->attempts() < 2 && throw new RuntimeException('retry'),
                'the last attempt fails', 'the only attempt fails' => throw new RuntimeException('no'),
                'it fails itself' => $job->fail(new RuntimeException('own decision')),
                'it releases itself' => $job->attempts() < 3 && $job->release(),
                'it deletes itself' => $job->delete(),
                default => null,
            };
        };

        $job = new $class('job', ...$arguments);

        match ($situation) {
            'a chain' => Bus::chain([$job, new $class('second'), new $class('third')])->dispatch(),
            'a batch' => Bus::batch([$job, new $class('second')])->then(static fn () => Recorder::ran('batch done'))->dispatch(),
            default => $this->app['queue']->push($job),
        };

        if ($situation === 'picked up too often') {
            $this->app['db']->table('jobs')->update(['attempts' => 3]);
        }

        Recorder::$events = Recorder::$payloads = [];
        $status = $this->artisan($command, ['--stop-when-empty' => true, '--sleep' => 0, '--quiet' => true])[0];

        return [
            'status' => $status,
            'events' => Recorder::$events,
            'ran' => Recorder::$ran,
            'failed' => array_map(static fn (object $row): array => [$row->queue, strtok($row->exception, "\n")], $this->withoutPlaces($this->failedJobs())),
            'left' => $this->app['queue']->size(),
            'batches' => $this->app['db']->table('job_batches')->get(['pending_jobs', 'failed_jobs'])->map(fn (object $row): array => (array) $row)->all(),
        ];
    }

    /**
     * @param  list<object>  $rows
     * @return list<object>
     */
    private function withoutPlaces(array $rows): array
    {
        foreach ($rows as $row) {
            $row->exception = preg_replace('/ in \S+:\d+/', '', $row->exception);
        }

        return $rows;
    }
}
