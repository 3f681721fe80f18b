<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Contracts\Queue\Interruptible;
use Illuminate\Queue\Events\WorkerInterrupted;
use Illuminate\Queue\Events\WorkerPausing;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\InterruptibleAct;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\RedisServer;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** However a run ends, no job is lost and none is charged for it. */
final class StopTest extends TestCase
{
    #[TestWith(['database', SIGTERM, false])]
    #[TestWith(['redis', SIGTERM, false])]
    #[TestWith(['database', SIGINT, true])]
    #[TestWith(['database', SIGQUIT, false])]
    public function test_a_signal_lets_running_jobs_end_and_takes_no_more(string $connection, int $signal, bool $group): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn () => new Act('sleep', 1.0), range(1, 9)), ...[new IsolatedAct('sleep', 1.0)], ...array_map(static fn () => new Act('sleep', 1.0), range(1, 20)));
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1']);
        $this->waitForStarts(10);
        $group ? $run->signalGroup($signal) : $run->signal($signal);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(10, Trace::all('start'), $run->output());
        self::assertCount(10, Trace::all('end'), $run->output());
        self::assertSame(20, $this->app['queue']->size());
        self::assertSame([], $this->failures());
    }

    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_a_second_signal_gives_running_jobs_back_without_an_attempt(string $connection): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn () => new Act('longSleep', 30), range(1, 5)), ...[new IsolatedAct('longSleep', 30)]);
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1']);
        $this->waitForStarts(6);
        $run->signal(SIGTERM);
        // As from a wrapper that passes on what has reached it and the run: it is one.
        $run->signal(SIGTERM);
        usleep(1_100_000);
        self::assertTrue($run->isRunning());
        $run->signal(SIGTERM);
        $run->wait(20);

        self::assertSame([], Trace::all('end'));
        self::assertSame([], $this->failures());
        $this->assertAllAvailableWithoutAttempts($connection, 6);
    }

    public function test_a_runner_that_is_killed_is_replaced_and_its_jobs_run_again(): void
    {
        $this->push(...array_map(static fn () => new Act('sleep', 1.0), range(1, 5)));
        $run = $this->start('kqueue:run', ['--concurrency=10', '--sleep=0.1', '--stop-when-empty']);
        $this->waitForStarts(5);
        $runner = Trace::all('start')[0]['pid'];
        posix_kill($runner, SIGKILL);

        self::assertSame(0, $run->wait(30), $run->output());
        self::assertCount(5, Trace::all('end'));
        self::assertNotSame($runner, Trace::all('end')[0]['pid']);
        self::assertSame([], $this->failures());
    }

    public function test_a_master_that_is_killed_leaves_no_process_behind(): void
    {
        $this->push(new Act('longSleep', 30), new IsolatedAct('longSleep', 30));
        $run = $this->start('kqueue:run', ['--concurrency=5', '--sleep=0.1']);
        $this->waitForStarts(2);
        $pids = array_unique([...$run->children(), ...array_column(Trace::all('start'), 'pid')]);
        posix_kill($run->master(), SIGKILL);
        $run->wait(10);

        // One that nobody reaps in a container is a zombie: it has ended.
        $lives = static fn (int $pid): bool => ! in_array(trim((string) shell_exec("ps -o stat= -p {$pid}"))[0] ?? 'Z', ['Z', 'X'], true);
        $this->waitFor(static fn (): bool => array_filter($pids, $lives) === [], 'its processes to end', 10);
        self::assertNotSame([], $pids);
    }

    public function test_max_jobs(): void
    {
        $this->push(...array_map(static fn () => new Act('sleep', 0.2), range(1, 10)));
        $run = $this->start('kqueue:run', ['--max-jobs=4', '--concurrency=10']);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(4, Trace::all('end'));
        self::assertSame(6, $this->app['queue']->size());
    }

    public function test_once(): void
    {
        $this->push(new Act('sleep', 0.1), new Act('nothing'));
        $run = $this->start('kqueue:run', ['--once']);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(1, Trace::all('end'));
        self::assertSame(1, $this->app['queue']->size());
    }

    public function test_max_time_and_memory(): void
    {
        $run = $this->start('kqueue:run', ['--max-time=1', '--sleep=0.1']);
        self::assertSame(0, $run->wait(20), $run->output());

        $this->push(new Act('nothing'), new Act('nothing'));
        $run = $this->start('kqueue:run', ['--memory=1', '--sleep=0.1', '--concurrency=1']);
        self::assertSame(12, $run->wait(20), $run->output());
        self::assertCount(1, Trace::all('end'));
    }

    public function test_queue_restart(): void
    {
        $run = $this->start('kqueue:run', ['--sleep=0.1']);
        $this->waitFor(fn (): bool => $run->children() !== [], 'the runner');
        usleep(500_000);
        self::assertTrue($run->isRunning());
        $this->start('queue:restart')->wait();

        self::assertSame(0, $run->wait(20), $run->output());
    }

    public function test_an_idle_run_stops_at_once(): void
    {
        $run = $this->start('kqueue:run', ['--sleep=30']);
        $this->waitFor(fn (): bool => $run->children() !== [], 'the runner');
        usleep(700_000);
        $begin = microtime(true);
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertLessThan(5.0, microtime(true) - $begin);
    }

    public function test_pause_and_resume(): void
    {
        $this->push(new Act('sleep', 0.5));
        $run = $this->start('kqueue:run', ['--sleep=0.1']);
        $this->waitForStarts(1);
        $run->signal(SIGUSR2);
        $this->waitFor(static fn (): bool => count(Trace::all('end')) === 1, 'the running job to end');
        usleep(300_000);
        $this->push(new Act('nothing'));
        usleep(1_000_000);
        self::assertCount(1, Trace::all('start'), 'paused');

        $run->signal(SIGCONT);
        $this->waitFor(static fn (): bool => count(Trace::all('end')) === 2, 'the job after the pause');
        $run->signal(SIGUSR2);
        usleep(200_000);
        $run->signal(SIGTERM);
        self::assertSame(0, $run->wait(10), 'a paused run can be stopped');
    }

    public function test_a_queue_that_goes_away_and_comes_back(): void
    {
        $server = RedisServer::start();
        $run = $this->start('kqueue:run', ['redis', '--sleep=0.1'], ['KQUEUE_TEST_REDIS_PORT' => (string) $server->port]);
        $this->waitFor(static fn (): bool => $run->children() !== [], 'the runner');
        usleep(700_000);
        $server->stop();
        $this->waitFor(fn (): bool => str_contains($this->log(), 'Connection refused'), 'the error to be reported');
        self::assertTrue($run->isRunning(), $run->output());

        RedisServer::start($server->port);
        $this->use('redis', $server->port);
        $this->push(new Act('nothing'));

        $this->waitFor(static fn (): bool => Trace::all('end') !== [], 'the job to run');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(1, Trace::all('end'));
    }

    public function test_events_of_the_worker(): void
    {
        $run = $this->start('kqueue:run', ['--sleep=0.1'], ['KQUEUE_TEST_EVENTS' => '1']);
        $this->waitFor(static fn (): bool => Trace::all('event') !== [] && in_array('Looping', array_column(array_column(Trace::all('event'), 'detail'), 0), true), 'the run to begin');
        $run->signal(SIGTERM);
        $run->wait(20);
        $events = array_column(array_column(Trace::all('event'), 'detail'), 0);

        self::assertSame('WorkerStopping', end($events));
        self::assertSame(1, array_count_values($events)['WorkerStopping']);

        // Since Laravel 13.
        if (class_exists(WorkerInterrupted::class)) {
            self::assertSame('WorkerStarting', $events[0]);
            self::assertSame(['WorkerInterrupted', 'WorkerStopping'], array_slice($events, -2));
            self::assertSame(1, array_count_values($events)['WorkerStarting']);
        }
    }

    #[TestWith(['kqueue:run', 3, false])]
    #[TestWith(['kqueue:run', 1, false])]
    #[TestWith(['kqueue:run', 3, true])]
    #[TestWith(['queue:work', 1, false])]
    public function test_interruptible_jobs_are_told_of_a_stop_signal(string $command, int $jobs, bool $group): void
    {
        if (! interface_exists(Interruptible::class)) {
            self::markTestSkipped('This Laravel tells jobs of no signals.');
        }

        $this->push(...array_map(static fn () => new InterruptibleAct('untilInterrupted'), range(1, $jobs)));
        $run = $this->start($command, ['--sleep=0.1'], ['KQUEUE_TEST_EVENTS' => '1']);
        $this->waitForStarts($jobs);
        $group ? $run->signalGroup(SIGTERM) : $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame(array_fill(0, $jobs, SIGTERM), array_column(Trace::all('interrupted'), 'detail'));
        self::assertCount($jobs, Trace::all('end'));
        self::assertEqualsCanonicalizing(array_column(Trace::all('start'), 'app'), array_column(Trace::all('interrupted'), 'app'), 'each in its own application');
        self::assertSame(0, $this->app['queue']->size());

        $events = array_column(array_column(Trace::all('event'), 'detail'), 0);
        $since = array_slice($events, array_search('WorkerInterrupted', $events, true));
        self::assertSame(['WorkerInterrupted', ...array_fill(0, $jobs, 'JobInterrupted')], array_slice($since, 0, $jobs + 1));
        self::assertSame('WorkerStopping', end($since));

        if ($jobs === 1) {
            // The leader, another lane than the job's, may be in the middle of a look at the queue, and finds nothing.
            $since = $command === 'kqueue:run' ? array_values(array_diff($since, ['WorkerIdle'])) : $since;
            self::assertSame(['WorkerInterrupted', 'JobInterrupted', 'JobProcessed', 'JobAttempted', 'WorkerStopping'], $since);
        }
    }

    public function test_interruptible_jobs_are_told_in_their_own_processes(): void
    {
        if (! interface_exists(Interruptible::class)) {
            self::markTestSkipped('This Laravel tells jobs of no signals.');
        }

        $this->push(new InterruptibleAct('untilInterrupted'), new InterruptibleAct('untilInterrupted', true));
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--isolate', '--isolated=2']);
        $this->waitForStarts(2);
        $run->signal(SIGINT);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame([SIGINT, SIGINT], array_column(Trace::all('interrupted'), 'detail'));
        self::assertCount(2, Trace::all('end'));
        self::assertSame(0, $this->app['queue']->size());
    }

    /** It never waits, so nothing but an interrupt can tell it. */
    public function test_a_job_that_computes_is_told_of_a_stop_signal(): void
    {
        if (! interface_exists(Interruptible::class)) {
            self::markTestSkipped('This Laravel tells jobs of no signals.');
        }

        $this->push(new InterruptibleAct('untilInterrupted', true));
        $run = $this->start('kqueue:run', ['--sleep=0.1']);
        $this->waitForStarts(1);
        $begin = microtime(true);
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(40), $run->output());
        self::assertLessThan(10.0, microtime(true) - $begin);
        self::assertCount(1, Trace::all('interrupted'));
        $this->report(sprintf('a computing job was told after %.3f s', Trace::all('interrupted')[0]['at'] - $begin));
    }

    public function test_pausing_and_resuming_fire_events(): void
    {
        if (! class_exists(WorkerPausing::class)) {
            self::markTestSkipped('This Laravel has no such events.');
        }

        $this->push(new Act('sleep', 3.0));
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--stop-when-empty'], ['KQUEUE_TEST_EVENTS' => '1']);
        $this->waitForStarts(1);
        $fired = static fn (): array => array_values(array_intersect(array_column(array_column(Trace::all('event'), 'detail'), 0), ['WorkerPausing', 'WorkerResuming', 'JobProcessed']));
        $run->signal(SIGUSR2);
        $this->waitFor(static fn (): bool => $fired() === ['WorkerPausing'], 'the pause');
        $run->signal(SIGCONT);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame(['WorkerPausing', 'WorkerResuming', 'JobProcessed'], $fired());
    }

    private function assertAllAvailableWithoutAttempts(string $connection, int $count): void
    {
        $queue = $this->app['queue']->connection($connection);

        for ($i = 0; $i < $count; $i++) {
            $job = $queue->pop();
            self::assertNotNull($job, "job {$i} is not available");
            self::assertSame(1, $job->attempts());
        }

        self::assertNull($queue->pop());
    }
}
