<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\Life;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/** Each application that runs jobs hears what it would hear in a queue:work process of its own, from its start to its end. */
final class LifeTest extends TestCase
{
    private const JOBS = 6;

    /** @return array<string, array{string, list<string>, array<string, string>, class-string<Act>}> */
    public static function ways(): array
    {
        return [
            'queue:work' => ['queue:work', [], [], Act::class],
            'cloned lanes' => ['kqueue:run', ['--concurrency=3'], [], Act::class],
            'booted lanes' => ['kqueue:run', ['--concurrency=3'], ['KQUEUE_LANES' => 'booted'], Act::class],
            'a lane for each job' => ['kqueue:run', ['--fresh', '--concurrency=3'], [], Act::class],
            'fresh jobs' => ['kqueue:run', ['--concurrency=3'], [], FreshAct::class],
            'isolated' => ['kqueue:run', ['--isolate', '--isolated=2'], [], Act::class],
            'isolated, one job each' => ['kqueue:run', ['--isolate', '--isolated=2'], ['KQUEUE_CHILD_JOBS' => '1'], Act::class],
        ];
    }

    /**
     * @param  list<string>  $arguments
     * @param  array<string, string>  $environment
     * @param  class-string<Act>  $job
     */
    #[DataProvider('ways')]
    public function test_the_life_of_a_worker(string $command, array $arguments, array $environment, string $job): void
    {
        $this->push(...array_map(static fn (): Act => new $job('afterResponse', 0.02), range(1, self::JOBS)));
        $run = $this->start($command, ['--stop-when-empty', '--sleep=0', ...$arguments], $environment + ['KQUEUE_TEST_LIFE' => '1', 'KQUEUE_TEST_ENV' => 'production']);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertCount(self::JOBS, Trace::all('end'), $run->output());
        self::assertSame([], $this->failures());

        $lives = Life::written();
        $ran = 0;

        foreach ($lives as $life) {
            $jobs = count(preg_grep('/^JobProcessed/', $life));
            $ran += $jobs;
            $what = implode("\n", $life);

            self::assertSame(['JobProcessing booted in queue:work, queue:work queue:work'], array_values(array_unique(preg_grep('/^JobProcessing/', $life))), $what);
            class_exists('Illuminate\Queue\Events\WorkerStarting') && self::assertLessThan(array_key_first(preg_grep('/^JobProcessing/', $life)), array_search('WorkerStarting', $life, true), $what);
            self::assertSame(['WorkerStopping', 'CommandFinished queue:work queue:work', 'terminating'], array_slice($life, -3), $what);
            self::assertSame([1, 1], [array_count_values($life)['WorkerStopping'], array_count_values($life)['terminating']], $what);
            self::assertGreaterThanOrEqual(1, count(array_keys($life, 'Looping', true)), $what);
        }

        self::assertSame(self::JOBS, $ran, 'every application that ran a job came to its end');
        self::assertCount(self::JOBS, Trace::all('after response'), 'what was dispatched after the response');
    }

    /**
     * @param  list<string>  $arguments
     * @param  array<string, string>  $environment
     * @param  class-string<Act>  $job
     */
    #[DataProvider('ways')]
    public function test_commands_that_trap_signals(string $command, array $arguments, array $environment, string $job): void
    {
        $this->push(...array_map(static fn (): Act => new $job('trapsSignals'), range(1, 3)));
        $run = $this->start($command, ['--stop-when-empty', '--sleep=0', '--tries=1', ...$arguments], $environment);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertSame([], $this->failures());
        self::assertSame(array_fill(0, 3, [[0, 'went on'], [0, 'went on']]), array_column(Trace::all('result'), 'detail'));
    }

    /** The run goes on: what packages keep is written a while after the last job. */
    #[DataProvider('ways')]
    public function test_buffers_are_flushed_while_the_run_is_idle(string $command, array $arguments, array $environment, string $job): void
    {
        if ($command === 'queue:work') {
            self::markTestSkipped('A worker keeps what waits for its end until then.');
        }

        $this->push(...array_map(static fn (): Act => new $job('afterResponse', 0.02), range(1, self::JOBS)));
        $run = $this->start($command, ['--sleep=0.1', ...$arguments], $environment + ['KQUEUE_TEST_LIFE' => '1', 'KQUEUE_FLUSH' => '0.3']);
        $this->waitFor(static fn (): bool => count(Trace::all('after response')) === self::JOBS, 'the ends of all that ran jobs');
        self::assertTrue($run->isRunning(), $run->output());

        // And the next job begins a life of its own.
        $this->push(new $job('afterResponse', 0));
        $this->waitFor(static fn (): bool => count(Trace::all('after response')) === self::JOBS + 1, 'the end of the next');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame([], $this->failures());
    }
}
