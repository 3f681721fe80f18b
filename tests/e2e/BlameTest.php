<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Queue\Events\WorkerPausing;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Fatal;
use KQueue\Tests\E2E\App\FreshAct;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\App\UnruledAct;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\Large;
use PHPUnit\Framework\Attributes\TestWith;

/** In whatever way a process ends, the job that ended it is charged with it, and no other. */
#[Large]
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
        yield 'SIGABRT' => ['signal', [SIGABRT], 'killed by signal 6 (SIGABRT)'];
        yield 'abort' => ['dies', ['aborts'], 'killed by signal 6 (SIGABRT)'];
        yield 'exit in C' => ['dies', ['exits'], 'exit status 7'];
        yield 'stack overflow as objects are freed' => ['dies', ['frees'], 'killed by signal 11 (SIGSEGV)'];
        yield 'stack overflow in serialize()' => ['dies', ['serializes'], 'killed by signal 11 (SIGSEGV)'];
        yield 'stack overflow in json_encode()' => ['dies', ['encodes'], 'killed by signal 11 (SIGSEGV)'];
    }

    /** @param  list<mixed>  $arguments */
    #[DataProvider('ways')]
    public function test_inline_it_is_one_failed_attempt_and_then_its_class_runs_isolated(string $action, array $arguments, string $cause): void
    {
        $this->push(...$this->neighbours(), ...[(new UnruledAct($action, ...$arguments))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(1, $this->deaths(), $run->output());
        self::assertStringContainsString($cause, strstr($this->log(), 'took it down ('));
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

    /** @param  list<mixed>  $arguments */
    #[TestWith(['fatal', ['function'], 'fatal error: Cannot redeclare'])]
    #[TestWith(['dies', ['aborts'], 'killed by signal 6 (SIGABRT)'])]
    #[TestWith(['dies', ['frees'], 'killed by signal 11 (SIGSEGV)'])]
    public function test_fresh_it_is_the_same(string $action, array $arguments, string $cause): void
    {
        $this->push(...$this->neighbours(), ...[(new FreshAct($action, ...$arguments))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(1, $this->deaths(), $run->output());
        $this->assertOneFailed($cause);
        self::assertCount(2, array_filter(Trace::all('start'), static fn (array $start): bool => $start['detail'] === $action), 'each attempt counts');
    }

    /** What one call takes at once is PHP's fatal error; what is taken bit by bit is an exception, see LimitsTest. */
    #[TestWith([UnruledAct::class, 'fatal error: Allowed memory size of', 1])]
    #[TestWith([IsolatedAct::class, 'out of memory at 100 MB', 0])]
    public function test_out_of_memory_in_one_call(string $class, string $cause, int $deaths): void
    {
        $this->push(...$this->neighbours(), ...[(new $class('dies', 'takes'))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30'], ['KQUEUE_TEST_CONFIG' => '{"kqueue.max_memory":100}']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame($deaths, $this->deaths(), $run->output());
        self::assertStringContainsString($cause, $this->log());
        $this->assertOneFailed('out of memory at 100 MB');
        self::assertCount(2, array_filter(Trace::all('start'), static fn (array $start): bool => $start['detail'] === 'dies'), 'each attempt counts');
    }

    /** None has more than it may, but all together do. */
    public function test_out_of_the_memory_that_all_lanes_have_together(): void
    {
        $this->push(...array_map(static fn (): Act => (new UnruledAct('growsLater', 35, 0.5, 1.0))->with(['tries' => 2]), range(1, 12)));
        $run = $this->kqueue(['--concurrency=12', '--memory=64'], ['KQUEUE_TEST_CONFIG' => '{"kqueue.max_memory":60}']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(12, Trace::all('end'));
        self::assertSame(1, $this->deaths(), $run->output());
        self::assertStringContainsString('fatal error: Allowed memory size of', $this->log());
        self::assertCount(13, Trace::all('start'), 'those that have theirs end, and one goes on elsewhere');
    }

    /** In one call of C code, beyond its timeout and the grace. */
    #[TestWith([UnruledAct::class, 1])]
    #[TestWith([IsolatedAct::class, 0])]
    public function test_killed_as_hung(string $class, int $deaths): void
    {
        $this->push(...$this->neighbours(), ...[(new $class('hang', 2_000_000_000))->with(['tries' => 2, 'timeout' => 1])]);
        $run = $this->kqueue(['--concurrency=30'], ['KQUEUE_TEST_GRACE' => '1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame($deaths, $this->deaths(), $run->output());
        self::assertSame($deaths, preg_match('/hung in one call, [\d.]+ s past the timeout of the job.*Its class runs isolated from now on/', $this->log()));
        $this->assertOneFailed('has timed out');
        self::assertCount(2, array_filter(Trace::all('start'), static fn (array $start): bool => $start['detail'] === 'hang'), 'each attempt counts');
    }

    /** It falls over a listener of its own while no lane runs: all that had begun may have done it, and an isolated job has not. */
    public function test_a_death_that_names_nobody(): void
    {
        $this->needsPauses();
        $jobs = [...array_map(static fn (): Act => new UnruledAct('sleep', 2.0), range(1, 5)), new IsolatedAct('sleep', 2.0)];
        $this->push(...array_map(static fn (Act $job): Act => $job->with(['tries' => $job instanceof IsolatedAct ? 1 : 2]), $jobs));
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1', '--stop-when-empty'], ['KQUEUE_TEST_FALLS' => '1']);
        $this->waitForStarts(6);
        $run->signal(SIGUSR2);
        $this->waitFor(fn (): bool => substr_count($this->log(), 'a runner died') === 6, 'the rescue');
        $run->signal(SIGCONT);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(5, substr_count($this->log(), 'was one of those that may have taken it down (the runner was killed by signal 11 (SIGSEGV)): a failed attempt.'), $this->log());
        self::assertStringNotContainsString('isolated', $this->log());
        self::assertSame([], $this->failures());
        self::assertCount(6, Trace::all('end'));
        self::assertCount(12, Trace::all('start'));
    }

    /** It may be charged again and again, or nobody may be: the run does not go on for ever. */
    public function test_a_run_whose_runners_die_in_a_loop_ends(): void
    {
        $this->needsPauses();
        $this->push(new Act('sleep', 5.0), new IsolatedAct('sleep', 5.0));
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1'], ['KQUEUE_TEST_FALLS' => '5']);
        $this->waitForStarts(2);
        $run->signal(SIGUSR2);

        self::assertSame(13, $run->wait(), $run->output());
        self::assertStringContainsString('5 runners died one after another, and no job ended meanwhile: this run ends with status 13', $run->output());
        self::assertCount(1, $this->failures(), 'of the one that had begun in the first of them, with one try');
        self::assertSame(1, $this->app['queue']->size());
    }

    #[TestWith([false, 13, 5])]
    #[TestWith([true, 0, 7])]
    public function test_a_job_that_falls_each_time(bool $isolated, int $status, int $attempts): void
    {
        $this->use('redis');
        $this->push((new IsolatedAct('signal', SIGSEGV))->with(['isolated' => $isolated, 'tries' => 7]));
        $run = $this->kqueue();

        self::assertSame($status, $run->wait(), $run->output());
        self::assertCount($attempts, Trace::all('start'));
        self::assertSame($status === 0 ? 0 : 5, substr_count($run->output(), 'was killed by signal 11 (SIGSEGV) while running '.IsolatedAct::class));
        self::assertSame($status === 0 ? 0 : 1, $this->app['queue']->size(), 'it is kept, with the attempts that it has had');
        $isolated || $this->kqueue();
        self::assertCount(7, Trace::all('start'));
        self::assertCount(1, $this->failures());
        self::assertSame(0, $this->app['queue']->size());
    }

    /** The job is done, as it is in queue:work, which falls over that as it ends. */
    #[TestWith(['registersShutdown', ['fatal'], 'fatal error: Cannot redeclare'])]
    #[TestWith(['registersShutdown', ['signal'], 'killed by signal 11 (SIGSEGV)'])]
    #[TestWith(['leavesDestructor', [], 'fatal error: Cannot redeclare'])]
    #[TestWith(['leavesCallback', [], 'fatal error: Cannot redeclare'])]
    public function test_what_a_job_leaves_to_its_lanes_end(string $action, array $arguments, string $cause): void
    {
        $this->push(...$this->neighbours(), ...[(new UnruledAct($action, ...$arguments))->with(['tries' => 2])]);
        $run = $this->kqueue(['--concurrency=30', '--fresh']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(1, array_filter(Trace::all('start'), static fn (array $start): bool => $start['detail'] === $action));
        self::assertSame(1, $this->deaths(), $run->output().$this->log());
        self::assertMatchesRegularExpression('/UnruledAct \[\d+\] on \[database:default\] took it down with what it had left behind \([^\n]*'.preg_quote($cause).'[^\n]*\)\. Its class runs isolated from now on\./', $this->log());
        self::assertStringContainsString('what was left behind by '.UnruledAct::class, $run->output());

        $this->push(new UnruledAct('nothing'), new Act('nothing'));
        $this->kqueue();
        self::assertCount(2, array_unique(array_column(array_slice(Trace::all('end'), -2), 'pid')), 'the class runs isolated');
    }

    /** Of several jobs in a lane it may have been any: the last is told. */
    public function test_what_one_of_several_jobs_leaves_to_its_lanes_end(): void
    {
        $this->push((new UnruledAct('registersShutdown', 'fatal')), (new Act('nothing')));
        $run = $this->kqueue(['--concurrency=1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        self::assertStringContainsString(Act::class.' [2] on [database:default] was the last of the jobs of a lane that took it down with what they had left behind (fatal error: Cannot redeclare', $this->log());
        self::assertStringNotContainsString('isolated', $this->log());
    }

    /** Fails as it is read, so before it can begin; and in each process that reads it. */
    #[TestWith(['database', 1])]
    #[TestWith(['redis', 1])]
    #[TestWith(['database', 2])]
    #[TestWith(['redis', 2])]
    #[TestWith(['database', 3])]
    #[TestWith(['redis', 3])]
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

    #[TestWith(['database', SIGKILL])]
    #[TestWith(['redis', SIGKILL])]
    #[TestWith(['database', SIGSEGV])]
    #[TestWith(['database', SIGABRT])]
    #[TestWith(['database', SIGUSR1])]
    public function test_a_kill_from_outside_blames_nobody(string $connection, int $signal): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn () => new UnruledAct('spin', 2.0), range(1, 2)), ...array_map(static fn () => new UnruledAct('sleep', 2.0), range(1, 5)));
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1', '--stop-when-empty'], ['KQUEUE_TEST_CONFIG' => '{"kqueue.auto.slice":0}']);

        for ($kill = 1; $kill <= 2; $kill++) {
            $this->waitFor(fn (): bool => count($this->pids()) === $kill, 'a job to start');
            usleep(200_000);
            posix_kill($this->pids()[$kill - 1], $signal);
        }

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertCount(7, Trace::all('end'));
        self::assertSame([], $this->failures(), 'with one try each, one that had been charged would be here');
        self::assertStringNotContainsString('isolated', $this->log().$run->output());
        $this->push(new UnruledAct('nothing'), new Act('nothing'));
        $this->kqueue();
        self::assertCount(1, array_unique(array_column(array_slice(Trace::all('end'), -2), 'pid')), 'both in the runner');
    }

    /** Whoever asks the runner to stop asks the wrong one: the master decides. */
    #[TestWith([SIGTERM])]
    #[TestWith([SIGQUIT])]
    #[TestWith([SIGHUP])]
    public function test_a_runner_that_is_told_to_stop_from_outside_goes_on(int $signal): void
    {
        $this->push((new UnruledAct('sleep', 2.0))->with(['tries' => 1]));
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--stop-when-empty']);
        $this->waitForStarts(1);
        posix_kill($this->pids()[0], $signal);
        usleep(100_000);
        posix_kill($this->pids()[0], $signal);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(1, Trace::all('end'));
        self::assertCount(1, Trace::all('start'));
    }

    private function needsPauses(): void
    {
        if (! class_exists(WorkerPausing::class)) {
            self::markTestSkipped('Only newer versions of Laravel tell listeners of a pause.');
        }
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
