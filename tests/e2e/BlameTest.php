<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Fatal;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\App\UnruledAct;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\TestWith;

/** In whatever way a process ends, the job that ended it is charged with it, and no other. */
final class BlameTest extends TestCase
{
    /** @return iterable<string, array{string, list<mixed>, string}> */
    public static function ways(): iterable
    {
        yield 'a class declared twice' => ['fatal', ['class'], 'fatal error: Cannot redeclare class'];
        yield 'a function declared twice' => ['fatal', ['function'], 'fatal error: Cannot redeclare function'];
        yield 'a final class extended' => ['fatal', ['final'], 'final class'];
        yield 'an interface not implemented' => ['fatal', ['interface'], 'contains 1 abstract method'];
        yield 'an output buffer in an output callback' => ['fatal', ['buffer'], 'fatal error: ob_start(): Cannot use output buffering in output buffering display handlers'];
        yield 'in a destructor' => ['fatal', ['destructor'], 'fatal error: Cannot redeclare'];
        yield 'in a Fiber' => ['fatal', ['fiber'], 'fatal error: Cannot redeclare'];
        yield 'after a wait' => ['fatal', ['late'], 'fatal error: Cannot redeclare'];
        yield 'SIGSEGV' => ['signal', [SIGSEGV], 'killed by signal 11 (SIGSEGV)'];
        yield 'SIGBUS' => ['signal', [SIGBUS], 'killed by signal 7 (SIGBUS)'];
        yield 'SIGFPE' => ['signal', [SIGFPE], 'killed by signal 8 (SIGFPE)'];
        yield 'SIGILL' => ['signal', [SIGILL], 'killed by signal 4 (SIGILL)'];
        yield 'abort' => ['signal', [SIGABRT], 'killed by signal 6 (SIGABRT)'];
    }

    /** @param  list<mixed>  $arguments */
    #[DataProvider('ways')]
    public function test_inline_it_is_one_failed_attempt_and_then_its_class_runs_isolated(string $action, array $arguments, string $cause): void
    {
        $this->push(...$this->neighbours(), ...[(new UnruledAct($action, ...$arguments))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(1, $this->deaths(), $run->output());
        $this->assertOneFailed($cause);
        self::assertCount(2, $starts = array_values(array_filter(Trace::all('start'), static fn (array $start): bool => $start['detail'] === $action)), 'each attempt counts');
        self::assertNotContains($starts[1]['pid'], array_column(array_filter(Trace::all('start'), static fn (array $start): bool => $start['detail'] === 'sleep'), 'pid'), 'the second ran isolated');
        self::assertStringContainsString('Its class runs isolated from now on.', $this->log());
    }

    /** @param  list<mixed>  $arguments */
    #[DataProvider('ways')]
    public function test_isolated_it_costs_its_own_process(string $action, array $arguments, string $cause): void
    {
        $this->push(...$this->neighbours(), ...[(new IsolatedAct($action, ...$arguments))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, $this->deaths(), $run->output());
        $this->assertOneFailed($cause);
    }

    /** Fails as it is read, so before it can begin; and in each process that reads it. */
    #[TestWith(['database', 1])]
    #[TestWith(['redis', 1])]
    public function test_a_class_that_cannot_be_loaded(string $connection, int $tries): void
    {
        $this->use($connection);
        $this->push(...$this->neighbours());
        $this->push((new UnruledAct('nothing'))->with(['tries' => $tries]));
        $this->rename(UnruledAct::class, Fatal\Unloadable::class);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, $this->app['queue']->size());
        self::assertCount(20, Trace::all('end'));
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('Unloadable', $this->failures()[0]);
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_a_job_that_cannot_say_that_it_failed(string $connection): void
    {
        $this->use($connection);
        $this->push(new Fatal\FailsFatally('fatal', 'class'), new Act('nothing'));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(0, $this->app['queue']->size());
        self::assertCount(1, $this->failures());
        self::assertStringContainsString('RunnerDied', $this->failures()[0]);
        self::assertStringContainsString('What it does when it has failed ended with a fatal error as well: Cannot redeclare', $this->log());
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_a_kill_from_outside_blames_nobody(string $connection): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn () => new UnruledAct('spin', 2.0), range(1, 2)), ...array_map(static fn () => new UnruledAct('sleep', 2.0), range(1, 5)));
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1', '--stop-when-empty'], ['KQUEUE_TEST_CONFIG' => '{"kqueue.auto.slice":0}']);

        for ($kill = 1; $kill <= 2; $kill++) {
            $this->waitFor(fn (): bool => count($this->pids()) === $kill, 'a job to start');
            usleep(200_000);
            posix_kill($this->pids()[$kill - 1], SIGKILL);
        }

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertCount(7, Trace::all('end'));
        self::assertSame([], $this->failures(), 'with one try each, one that had been charged would be here');
        self::assertStringNotContainsString('isolated', $this->log().$run->output());
        $this->push(new UnruledAct('nothing'), new Act('nothing'));
        $this->kqueue();
        self::assertCount(1, array_unique(array_column(array_slice(Trace::all('end'), -2), 'pid')), 'both in the runner');
    }

    /** @return list<int> */
    private function pids(): array
    {
        return array_values(array_unique(array_column(Trace::all('start'), 'pid')));
    }

    /** Those that are queued. */
    private function rename(string $from, string $to): void
    {
        $rename = static function (string $payload) use ($from, $to): string {
            $values = json_decode($payload, true);

            if ($values['displayName'] === $from) {
                $values['displayName'] = $values['data']['commandName'] = $to;
                $values['data']['command'] = str_replace(sprintf('O:%d:"%s"', strlen($from), $from), sprintf('O:%d:"%s"', strlen($to), $to), $values['data']['command']);
            }

            return (string) json_encode($values);
        };

        if (getenv('KQUEUE_TEST_CONNECTION') === 'redis') {
            $redis = $this->app['redis']->connection();
            $payloads = $redis->lrange('queues:default', 0, -1);
            $redis->del('queues:default');
            $redis->rpush('queues:default', ...array_map($rename, $payloads));

            return;
        }

        foreach ($this->app['db']->table('jobs')->get() as $row) {
            $this->app['db']->table('jobs')->where('id', $row->id)->update(['payload' => $rename($row->payload)]);
        }
    }

    /** @return list<Act> */
    private function neighbours(): array
    {
        return array_map(static fn () => (new Act('sleep', 0.5))->with(['tries' => 1]), range(1, 20));
    }

    private function deaths(): int
    {
        return substr_count($this->log(), 'took it down');
    }

    private function assertOneFailed(string $cause): void
    {
        self::assertCount(20, array_filter(Trace::all('end'), static fn (array $end): bool => $end['detail'] === 'sleep'));
        self::assertCount(1, $this->failures());
        self::assertStringContainsString($cause, $this->failures()[0]);
        self::assertCount(1, Trace::all('failed'));
        self::assertSame(0, $this->app['queue']->size());
    }
}
