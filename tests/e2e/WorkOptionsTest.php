<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Queue\WorkerStopReason;
use Illuminate\Support\Facades\Redis;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\IsolatedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\RedisServer;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** The options and controls of queue:work mean the same for many lanes as for one worker. */
final class WorkOptionsTest extends TestCase
{
    #[TestWith(['database'])]
    #[TestWith(['redis'])]
    public function test_max_jobs_is_exact_with_many_lanes(string $connection): void
    {
        $this->use($connection);
        $this->push(...array_map(static fn (int $i) => $i % 10 ? new Act($i % 2 ? 'nothing' : 'sleep', 0.02) : new IsolatedAct('nothing'), range(1, 150)));
        $run = $this->start('kqueue:run', ['--max-jobs=97', '--concurrency=50', '--sleep=0.1', '--json']);

        self::assertSame(0, $run->wait(40), $run->output());
        self::assertCount(97, Trace::all('start'));
        self::assertCount(97, Trace::all('end'));
        self::assertSame(53, $this->app['queue']->size());
        self::assertSame([], $this->failures());
        $this->assertStopped($run, 'max_jobs', 97);
    }

    /** Jobs that fail, release themselves or are retried count each time they are taken. */
    public function test_max_jobs_counts_attempts(): void
    {
        $this->push((new Act('throws'))->with(['tries' => 3, 'backoff' => 0]), (new Act('releases', 9))->with(['tries' => 9]));
        $run = $this->start('kqueue:run', ['--max-jobs=5', '--sleep=0.1', '--json']);

        self::assertSame(0, $run->wait(40), $run->output());
        self::assertCount(5, Trace::all('start'));
        $this->assertStopped($run, 'max_jobs', 5);
    }

    /** @param  list<string>  $options */
    #[TestWith([['--stop-when-empty'], 'empty', 0])]
    #[TestWith([['--stop-when-empty-for=1'], 'empty_for', 0])]
    #[TestWith([['--max-time=1'], 'max_time', 0])]
    #[TestWith([['--memory=1'], 'memory', 12])]
    public function test_the_reason_for_the_end(array $options, string $reason, int $status): void
    {
        $this->push(new Act('nothing'));
        $run = $this->start('kqueue:run', [...$options, '--sleep=0.1', '--json']);

        self::assertSame($status, $run->wait(20), $run->output());
        $this->assertStopped($run, $reason, 1);
    }

    public function test_restart_and_signals_are_reasons_too(): void
    {
        $run = $this->startIdle();
        $this->start('queue:restart')->wait();
        self::assertSame(0, $run->wait(20), $run->output());
        $this->assertStopped($run, 'restart_signal', 0);

        $run = $this->startIdle();
        $run->signal(SIGTERM);
        self::assertSame(0, $run->wait(20), $run->output());
        $this->assertStopped($run, 'interrupted', 0);
    }

    /** SIGUSR2, maintenance mode and a listener of Looping: no job is taken, and every reason to stop still counts. */
    #[TestWith(['pause', 'restart'])]
    #[TestWith(['pause', '--max-time=4'])]
    #[TestWith(['maintenance', '--max-time=4'])]
    #[TestWith(['veto', 'restart'])]
    public function test_a_run_that_may_take_no_jobs_still_stops(string $way, string $reason): void
    {
        $run = $this->startIdle($reason === 'restart' ? [] : [$reason], ['KQUEUE_TEST_VETO' => "{$this->folder}/veto"]);

        match ($way) {
            'pause' => $run->signal(SIGUSR2),
            'maintenance' => $this->app->maintenanceMode()->activate([]),
            'veto' => touch("{$this->folder}/veto"),
        };
        usleep(500_000);
        $this->push(new Act('nothing'));
        usleep(500_000);
        self::assertTrue($run->isRunning(), $run->output());
        self::assertSame([], Trace::all('start'));
        $reason === 'restart' && $this->start('queue:restart')->wait();

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame([], Trace::all('start'));
        $this->assertStopped($run, $reason === 'restart' ? 'restart_signal' : 'max_time', 0);
    }

    public function test_a_pause_outlives_the_process_with_the_lanes(): void
    {
        $this->push(new Act('longSleep', 30));
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--stop-when-empty']);
        $this->waitForStarts(1);
        $run->signal(SIGUSR2);
        usleep(300_000);
        posix_kill(Trace::all('start')[0]['pid'], SIGKILL);

        // The job is back in the queue; queue:work, paused, would find the queue empty as well.
        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(1, Trace::all('start'));
        self::assertSame(1, $this->app['queue']->size());
    }

    #[TestWith(['default', 'database:default'])]
    #[TestWith(['all', '--all'])]
    public function test_queues_are_paused_and_resumed_by_command(string $which, string $argument): void
    {
        if (! class_exists('Illuminate\Queue\Console\PauseCommand') || ($which === 'all' && ! method_exists($this->app['queue'], 'pauseAll'))) {
            self::markTestSkipped('This Laravel cannot pause queues by command.');
        }

        $this->push(...array_map(static fn () => new Act('sleep', 1.0), range(1, 10)));
        $run = $this->start('kqueue:run', ['--queue=default,mails', '--concurrency=10', '--sleep=0.05']);
        $this->waitForStarts(10);
        self::assertSame(0, $this->start('queue:pause', [$argument])->wait());
        $this->waitFor(static fn (): bool => str_contains($run->output(), 'PAUSED'), 'the pause');
        $this->push(new Act('nothing'), (new Act('nothing'))->onQueue('mails'));
        $this->waitFor(static fn (): bool => count(Trace::all('end')) === ($which === 'all' ? 10 : 11), 'the running jobs, and the one in the other queue');
        usleep(500_000);
        self::assertCount($which === 'all' ? 10 : 11, Trace::all('start'));
        self::assertSame(0, $this->start('queue:resume', [$argument])->wait());
        $this->waitFor(static fn (): bool => count(Trace::all('end')) === 12, 'the jobs after the pause');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
        $queues = $which === 'all' ? 2 : 1;
        self::assertSame([$queues, $queues], [substr_count($run->output(), ' PAUSED'), substr_count($run->output(), ' RESUMED')], $run->output());
    }

    public function test_the_name_chooses_how_jobs_are_popped(): void
    {
        foreach (['high', 'low'] as $queue) {
            $this->push((new Act('trace', $queue))->onQueue($queue), (new Act('trace', $queue))->onQueue($queue));
        }

        $run = $this->start('kqueue:run', ['--name=backwards', '--queue=high', '--concurrency=1', '--stop-when-empty', '--sleep=0'], ['KQUEUE_TEST_POP_LAST' => '1']);

        self::assertSame(0, $run->wait(20), $run->output());
        self::assertSame(['low', 'low', 'high', 'high'], array_column(Trace::all('traced'), 'detail'));
    }

    /** kqueue.worker is for queue:work; kqueue:run has lanes as ever. */
    public function test_the_worker_within_the_process_changes_nothing_here(): void
    {
        $this->push(...array_map(static fn () => new Act('sleep', 0.5), range(1, 10)));
        $run = $this->start('kqueue:run', ['--stop-when-empty', '--sleep=0.05'], ['KQUEUE_WORKER' => '1']);
        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(10, array_unique(array_column(Trace::all('end'), 'app')));

        $this->push(new Act('nothing'), (new Act('throws'))->with(['tries' => 2]));
        $run = $this->start('queue:work', ['--stop-when-empty', '--sleep=0'], ['KQUEUE_WORKER' => '1']);
        self::assertSame(0, $run->wait(20), $run->output());
        self::assertCount(13, Trace::all('start'));
        self::assertCount(1, $this->failures());
    }

    public function test_a_rest_does_not_delay_the_end(): void
    {
        $this->push(new Act('nothing'));
        $run = $this->start('kqueue:run', ['--rest=60', '--sleep=0.1', '--concurrency=2']);
        $this->waitFor(static fn (): bool => Trace::all('end') !== [], 'the job');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
    }

    public function test_a_queue_that_cannot_be_asked_is_asked_again_each_second(): void
    {
        $run = $this->startIdle();
        $this->app['db']->statement('alter table jobs rename to away');
        $errors = fn (): int => substr_count($this->log(), 'testing.ERROR: SQLSTATE[HY000]: General error: 1 no such table: jobs');
        $this->waitFor(fn (): bool => $errors() > 0, 'the error');
        usleep(2_500_000);
        self::assertTrue($run->isRunning(), $run->output());
        self::assertLessThanOrEqual(4, $errors());
        $this->app['db']->statement('alter table away rename to jobs');
        $this->push(new Act('nothing'));
        $this->waitFor(static fn (): bool => Trace::all('end') !== [], 'the job');
        $run->signal(SIGTERM);

        self::assertSame(0, $run->wait(20), $run->output());
    }

    public function test_a_job_that_loses_its_connection_ends_neither_the_run_nor_the_others(): void
    {
        $server = RedisServer::start();
        $this->push(...array_map(static fn () => (new Act('waitsForRedis', 1.0))->with(['tries' => 2]), range(1, 3)), ...array_map(static fn () => new Act('sleep', 2.5), range(1, 3)));
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--concurrency=10', '--stop-when-empty'], ['KQUEUE_TEST_REDIS_PORT' => (string) $server->port]);
        $this->waitForStarts(6);
        usleep(300_000);
        $redis = new \Redis;
        $redis->connect('127.0.0.1', $server->port);
        $redis->rawCommand('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

        self::assertSame(0, $run->wait(30), $run->output());
        self::assertSame([], $this->failures());
        self::assertCount(9, Trace::all('start'), 'three ran twice');
        self::assertCount(6, Trace::all('end'));
        self::assertCount(1, array_unique(array_column(Trace::all('start'), 'pid')));
    }

    /**
     * @param  list<string>  $options
     * @param  array<string, string>  $environment
     */
    private function startIdle(array $options = [], array $environment = []): Process
    {
        @unlink("{$this->folder}/trace");
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--json', ...$options], $environment + ['KQUEUE_TEST_EVENTS' => '1']);
        $this->waitFor(static fn (): bool => str_contains(json_encode(Trace::all('event')), 'WorkerIdle'), 'the run to find nothing');

        return $run;
    }

    private function assertStopped(Process $run, string $reason, int $jobs): void
    {
        if (! enum_exists(WorkerStopReason::class) || ! str_contains($run->output(), '"stopped"')) {
            self::assertFalse(method_exists('Illuminate\Queue\Console\WorkCommand', 'writeStopReason'), $run->output());

            return;
        }

        $lines = explode("\n", trim($run->output()));
        $stopped = json_decode(end($lines), true);

        self::assertSame(['stopped', $reason, $jobs], [$stopped['status'], $stopped['reason'], $stopped['jobs_processed']]);
    }
}
