<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobInterrupted;
use Illuminate\Queue\Events\JobTimedOut;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerInterrupted;
use Illuminate\Queue\Events\WorkerPausing;
use Illuminate\Queue\Events\WorkerQueuePaused;
use Illuminate\Queue\Events\WorkerResuming;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Queue\TimeoutExceededException;
use Illuminate\Queue\Worker;
use KQueue\Testing\FakeEngine;
use KQueue\Tests\Laravel\Fixtures\InterruptibleJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use PHPUnit\Framework\Attributes\Large;
use PHPUnit\Framework\Attributes\TestWith;
use RuntimeException;

#[Large]
final class LaneTest extends TestCase
{
    public function test_jobs_run_in_the_lanes_application_and_the_engine_is_told(): void
    {
        $this->push('a', 'b', 'c');

        self::assertSame(0, $this->kqueue());
        self::assertSame(['a', 'b', 'c'], Recorder::$ran);
        self::assertCount(1, array_unique(Recorder::$apps));
        self::assertNotContains(spl_object_id($this->app), Recorder::$apps);
        self::assertSame(3, self::$engine->finished);
        self::assertSame(['id' => '1', 'class' => TestJob::class, 'connection' => 'database', 'queue' => 'default', 'attempts' => 1, 'timeout' => 60.0, 'memory' => 512], array_diff_key(self::$engine->reserved[0], ['onSignal' => 0]));
        self::assertSame('empty', $this->stopReason());
        self::assertSame(3, $this->stopped()->jobsProcessed ?? 3, 'Laravel 13');
    }

    public function test_the_jobs_own_timeout_wins_and_zero_is_none(): void
    {
        $this->app['queue']->push(new TestJob('a', timeout: 5));
        $this->push('b');
        $this->kqueue(['--timeout' => '0']);

        self::assertSame([5.0, null], array_column(self::$engine->reserved, 'timeout'));
    }

    public function test_max_jobs_are_never_exceeded(): void
    {
        $this->push('a', 'b', 'c');
        $this->kqueue(['--max-jobs' => '2']);

        self::assertSame(['a', 'b'], Recorder::$ran);
        self::assertSame('max_jobs', $this->stopReason());
        self::assertSame(1, $this->app['queue']->size());
    }

    public function test_memory_ends_the_run_with_12_but_not_before_the_first_job(): void
    {
        $this->push('a', 'b');

        self::assertSame(12, $this->kqueue(['--memory' => '1']));
        self::assertSame(['a'], Recorder::$ran);
        self::assertSame('memory', $this->stopReason());
    }

    public function test_the_application_can_choose_the_exit_status_for_memory(): void
    {
        if (! property_exists(Worker::class, 'memoryExceededExitCode')) {
            self::markTestSkipped('This Laravel has no such choice.');
        }

        Worker::$memoryExceededExitCode = 77;
        $this->push('a', 'b');

        try {
            self::assertSame(77, $this->kqueue(['--memory' => '1']));
        } finally {
            Worker::$memoryExceededExitCode = null;
        }
    }

    public function test_queue_restart_ends_the_run(): void
    {
        $this->push('restart', 'b');
        Recorder::$handlers['restart'] = fn () => app('cache')->forever('illuminate:queue:restart', 12345);

        self::assertSame(0, $this->kqueue());
        self::assertSame(['restart'], Recorder::$ran);
        self::assertSame('restart_signal', $this->stopReason());
    }

    public function test_max_time(): void
    {
        $this->push('slow', 'b');
        Recorder::$handlers['slow'] = fn () => usleep(1_100_000);
        $this->kqueue(['--max-time' => '1']);

        self::assertSame(['slow'], Recorder::$ran);
        self::assertSame('max_time', $this->stopReason());
    }

    public function test_the_queue_is_not_empty_while_another_lane_runs_a_job(): void
    {
        self::$engine->others = 1;
        self::$engine->whenIdle = function (): void {
            // The other lane's job queues one more and ends.
            $this->push('late');
            self::$engine->others = 0;
            self::$engine->whenIdle = null;
        };
        $this->kqueue();

        self::assertSame(['late'], Recorder::$ran);
        self::assertSame('empty', self::$engine->reason);
    }

    public function test_stop_when_empty_for_counts_from_the_last_end_of_a_job(): void
    {
        if (! $this->app->make(WorkCommand::class)->getDefinition()->hasOption('stop-when-empty-for')) {
            self::markTestSkipped('This Laravel has no such option.');
        }

        $this->push('a');
        self::$engine->whenIdle = fn () => usleep(300_000);
        $begin = microtime(true);
        $this->kqueue(['--stop-when-empty' => false, '--stop-when-empty-for' => '1']);

        self::assertSame('empty_for', self::$engine->reason);
        self::assertGreaterThan(1.0, microtime(true) - $begin);
    }

    public function test_without_a_reason_to_stop_it_idles(): void
    {
        self::$engine->mostIdles = 3;
        $this->kqueue(['--stop-when-empty' => false, '--sleep' => '2.5']);

        self::assertSame([2.5, 2.5, 2.5], self::$engine->idled);
    }

    public function test_sleep_0_still_lets_others_run(): void
    {
        self::$engine->mostIdles = 2;
        $this->kqueue(['--stop-when-empty' => false]);

        self::assertSame([0.01, 0.01], self::$engine->idled);
    }

    public function test_maintenance_mode_pauses_unless_forced(): void
    {
        $this->push('a');
        $this->app->maintenanceMode()->activate([]);
        self::$engine->mostIdles = 2;
        $this->kqueue(['--stop-when-empty' => false]);
        self::assertSame([], Recorder::$ran);
        self::assertSame([1.0, 1.0], self::$engine->idled);

        self::$engine->stopping = false;
        $this->kqueue(['--force' => true]);
        self::assertSame(['a'], Recorder::$ran);
    }

    public function test_a_listener_of_looping_can_object(): void
    {
        $this->push('a');
        Recorder::$onBoot[] = static fn ($app) => $app['events']->listen(Looping::class, static fn () => false);
        self::$engine->mostIdles = 2;
        $this->kqueue(['--stop-when-empty' => false]);

        self::assertSame([], Recorder::$ran);
    }

    /** As queue:work: whoever takes no jobs finds the queue empty, and looks at every other reason to stop. */
    #[TestWith([['--stop-when-empty' => true], 'empty'])]
    #[TestWith([['--stop-when-empty' => false, '--stop-when-empty-for' => '1'], 'empty_for'])]
    #[TestWith([['--stop-when-empty' => false, '--max-time' => '1'], 'max_time'])]
    #[TestWith([['--stop-when-empty' => false, '--memory' => '1'], 'memory'])]
    public function test_a_run_that_may_take_no_jobs_still_stops(array $options, string $reason): void
    {
        if (isset($options['--stop-when-empty-for']) && ! $this->app->make(WorkCommand::class)->getDefinition()->hasOption('stop-when-empty-for')) {
            self::markTestSkipped('This Laravel has no such option.');
        }

        $this->push('a');
        self::$engine->whenIdle = static fn () => usleep(400_000);

        foreach (['maintenance', 'veto', 'pause'] as $way) {
            self::$engine->stopping = self::$engine->paused = false;
            Recorder::$onBoot = [];
            @unlink(self::folder().'/framework/down');

            match ($way) {
                'maintenance' => $this->app->maintenanceMode()->activate([]),
                'veto' => Recorder::$onBoot[] = static fn ($app) => $app['events']->listen(Looping::class, static fn () => false),
                'pause' => self::$engine->paused = true,
            };
            $this->kqueue($options);

            self::assertSame($reason, self::$engine->reason, $way);
        }

        self::assertSame([], Recorder::$ran);
    }

    public function test_a_paused_queue_is_left_alone(): void
    {
        if (! method_exists($this->app['queue'], 'pause')) {
            self::markTestSkipped('This Laravel cannot pause a queue.');
        }

        $this->push('a');
        $this->app['queue']->connection('database')->push(new TestJob('mail'), '', 'mails');
        $this->app['queue']->pause('database', 'default');
        $this->kqueue(['--queue' => 'default,mails']);

        self::assertSame(['mail'], Recorder::$ran);
        $this->app['queue']->resume('database', 'default');
    }

    public function test_a_paused_queue_is_announced_once_however_many_lanes_lead(): void
    {
        if (! class_exists(WorkerQueuePaused::class)) {
            self::markTestSkipped('This Laravel has no such event.');
        }

        $this->app['queue']->pause('database', 'mails');
        $this->push('buffer', 'buffer', 'buffer');
        Recorder::$handlers['buffer'] = static fn () => ob_start();

        ob_start();
        $this->kqueue(['--queue' => 'mails,default']);
        ob_end_clean();
        $this->app['queue']->resume('database', 'mails');

        self::assertSame(4, self::$engine->lanes);
        self::assertCount(1, Recorder::all(WorkerQueuePaused::class));
    }

    public function test_queues_in_order(): void
    {
        $this->push('low 1', 'low 2');
        $this->app['queue']->connection('database')->push(new TestJob('high'), '', 'high');
        $this->kqueue(['--queue' => 'high,default']);

        self::assertSame(['high', 'low 1', 'low 2'], Recorder::$ran);
    }

    public function test_what_a_listener_throws_between_jobs_ends_the_run(): void
    {
        Recorder::$onBoot[] = static fn ($app) => $app['events']->listen(Looping::class, static fn () => throw new RuntimeException('listener'));

        self::assertSame(1, $this->kqueue());
        self::assertStringContainsString('listener', $this->log());
    }

    public function test_a_failed_job_is_written_once_and_retried_as_often_as_it_may(): void
    {
        $this->app['queue']->push(new TestJob('bad', tries: 3, backoff: '0'));
        Recorder::$handlers['bad'] = fn () => throw new RuntimeException('no luck');
        $this->kqueue();

        self::assertSame(['bad', 'bad', 'bad', 'bad failed: no luck'], Recorder::$ran);
        self::assertCount(1, $this->failedJobs());
        self::assertStringContainsString('no luck', $this->failedJobs()[0]->exception);
        self::assertSame(3, substr_count($this->log(), 'testing.ERROR: no luck'));
    }

    public function test_exit_is_a_failed_attempt(): void
    {
        $this->push('a');
        self::$engine->exits = true;
        $this->kqueue();

        self::assertSame(0, $this->app['queue']->size());
        self::assertStringContainsString('KQueue\Exception\JobExited: '.TestJob::class.' called exit().', $this->failedJobs()[0]->exception);
        self::assertSame(2, self::$engine->lanes, 'the lane was replaced');
    }

    public function test_a_job_that_catches_its_timeout_until_it_is_left_has_timed_out(): void
    {
        $this->app['queue']->push(new TestJob('stubborn', tries: 5, failOnTimeout: true));
        self::$engine->exits = true;
        self::$engine->exitsOverdue = true;
        $this->kqueue();

        self::assertCount(1, Recorder::all(JobTimedOut::class));
        self::assertStringContainsString('TimeoutExceededException', $this->failedJobs()[0]->exception);
        self::assertSame(2, self::$engine->lanes, 'the lane was replaced');
    }

    public function test_a_stop_signal_is_told_to_the_worker_and_then_to_the_running_job(): void
    {
        if (! class_exists(JobInterrupted::class)) {
            self::markTestSkipped('This Laravel tells jobs of no signals.');
        }

        $this->app['queue']->push(new InterruptibleJob('a'));
        $this->push('b');
        Recorder::$handlers['a'] = static fn () => self::$engine->signal(15);
        $this->kqueue();

        self::assertSame(['a', 'a interrupted by 15'], Recorder::$ran);
        self::assertSame(1, $this->app['queue']->size());
        self::assertSame(
            ['WorkerStarting', 'JobProcessing', 'WorkerInterrupted', 'JobInterrupted', 'JobProcessed', 'WorkerStopping'],
            array_values(array_intersect(Recorder::$events, ['WorkerStarting', 'JobProcessing', 'WorkerInterrupted', 'JobInterrupted', 'JobProcessed', 'WorkerStopping'])),
        );
        self::assertSame(Recorder::$apps[0], Recorder::$apps[1], 'in the application of its lane');
    }

    public function test_pausing_and_resuming_are_told_to_the_worker(): void
    {
        if (! class_exists(WorkerPausing::class)) {
            self::markTestSkipped('This Laravel has no such events.');
        }

        $this->push('a');
        Recorder::$handlers['a'] = static function (): void {
            self::$engine->signal(12);
            self::$engine->signal(18);
        };
        $this->kqueue();

        self::assertCount(1, Recorder::all(WorkerPausing::class));
        self::assertCount(1, Recorder::all(WorkerResuming::class));
        self::assertSame([], Recorder::all(WorkerInterrupted::class));
    }

    public function test_an_open_transaction_is_rolled_back_and_told(): void
    {
        $this->push('open');
        Recorder::$handlers['open'] = function (): void {
            app('db')->beginTransaction();
            app('db')->table('job_batches')->insert(['id' => 'x', 'name' => '', 'total_jobs' => 0, 'pending_jobs' => 0, 'failed_jobs' => 0, 'failed_job_ids' => '', 'created_at' => 0]);
            throw new RuntimeException('left');
        };
        $this->kqueue();

        self::assertSame(0, $this->app['db']->table('job_batches')->count());
        self::assertCount(1, $this->failedJobs(), 'the failure was not written inside the transaction of the job');
        self::assertSame(0, $this->app['queue']->size());
    }

    public function test_a_transaction_left_open_by_a_job_that_returns_is_rolled_back_and_told(): void
    {
        $this->push('open');
        Recorder::$handlers['open'] = fn () => app('db')->beginTransaction();
        $this->kqueue(['--max-jobs' => '1']);

        self::assertStringContainsString(TestJob::class.' left a transaction open on the database connection [sqlite]', $this->log());
        self::assertSame(1, $this->app['queue']->size(), 'as in queue:work, the job runs again after retry_after');
    }

    public function test_an_output_buffer_is_closed_and_the_lane_replaced(): void
    {
        $this->push('buffer', 'b');
        Recorder::$handlers['buffer'] = function (): void {
            ob_start();
            echo 'in the buffer';
        };

        ob_start();
        $this->kqueue();
        $printed = ob_get_clean();

        self::assertSame('in the buffer', $printed);
        self::assertSame(2, self::$engine->lanes);
        self::assertSame(['buffer', 'b'], Recorder::$ran);
        self::assertStringContainsString('left 1 output buffer(s) open', $this->log());
    }

    #[TestWith([['tries' => 2], false, 1])]
    #[TestWith([['tries' => 1], true, 0])]
    #[TestWith([['tries' => 5, 'failOnTimeout' => true], true, 0])]
    public function test_a_timeout_is_laravels_timeout_without_the_kill(array $job, bool $fails, int $left): void
    {
        $this->app['queue']->push(new TestJob('slow', ...$job, backoff: '60', timeout: 9));
        Recorder::$handlers['slow'] = function (): void {
            self::$engine->timedOut = true;
            throw new \PDOException('the wait was cut short');
        };
        $this->kqueue();

        self::assertCount(1, Recorder::all(JobTimedOut::class));
        self::assertSame(9, Recorder::all(JobTimedOut::class)[0]->timeout ?? 9, 'Laravel 13');
        self::assertCount($fails ? 1 : 0, $this->failedJobs());
        self::assertSame($left, $this->app['queue']->size());
        self::assertSame(2, self::$engine->lanes, 'the lane was replaced');

        if ($fails) {
            self::assertInstanceOf(TimeoutExceededException::class, Recorder::all(JobFailed::class)[0]->exception);
            self::assertStringContainsString('has timed out', $this->failedJobs()[0]->exception);
        } else {
            self::assertEqualsWithDelta(time() + 60, $this->app['db']->table('jobs')->value('available_at'), 3);
        }
    }

    public function test_scoped_state_is_reset_between_jobs(): void
    {
        $this->push('first', 'second');
        Recorder::$onBoot[] = static fn ($app) => $app->scoped('state', static fn () => new \ArrayObject);
        Recorder::$handlers['first'] = function (): void {
            app('state')['of'] = 'the first job';
            app('log')->shareContext(['of' => 'the first job']);
        };
        Recorder::$handlers['second'] = function (): void {
            Recorder::ran(app('state')['of'] ?? 'fresh');
            Recorder::ran(app('log')->sharedContext()['of'] ?? 'fresh');
        };
        $this->kqueue();

        self::assertSame(['first', 'second', 'fresh', 'fresh'], Recorder::$ran);
    }

    #[TestWith([true, 'has timed out'])]
    #[TestWith([false, 'thrown beside the job'])]
    public function test_what_is_thrown_beside_the_job_fails_the_attempt(bool $timedOut, string $message): void
    {
        $this->push('never');
        self::$engine->beforeJob = static function (FakeEngine $engine) use ($timedOut): void {
            $engine->timedOut = $timedOut;
            throw new RuntimeException('thrown beside the job');
        };
        $this->kqueue();

        self::assertNotContains('never', Recorder::$ran);
        self::assertStringContainsString($message, $this->failedJobs()[0]->exception);
        self::assertSame(0, $this->app['queue']->size());
    }

    public function test_a_lost_connection_ends_the_lane_and_not_the_run(): void
    {
        $this->app['queue']->push(new TestJob('gone', tries: 2, backoff: '0'));
        $this->push('next');
        Recorder::$handlers['gone'] = static fn (TestJob $job) => $job->attempts() < 2 && throw new \PDOException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away');

        self::assertSame(0, $this->kqueue());
        self::assertEqualsCanonicalizing(['gone', 'next', 'gone'], Recorder::$ran);
        self::assertGreaterThan(1, self::$engine->lanes, 'another lane, with other connections');
    }

    public function test_a_queue_whose_connection_is_lost_is_asked_again_by_another_lane(): void
    {
        $this->push('a');
        $losses = 2;
        Recorder::$onBoot[] = static function ($app) use (&$losses): void {
            $app['events']->listen(\Illuminate\Queue\Events\JobPopping::class, static function () use (&$losses): void {
                $losses-- > 0 && throw new \PDOException('SQLSTATE[HY000] [2002] Connection refused');
            });
        };
        self::$engine->whenIdle = static fn () => Recorder::$ran === [] || self::$engine->stop(0, 'interrupted');
        $this->kqueue(['--stop-when-empty' => false]);

        self::assertSame(['a'], Recorder::$ran);
        self::assertSame('interrupted', self::$engine->reason);
        self::assertStringContainsString('Connection refused', $this->log());
    }

    public function test_stop_when_empty_does_not_wait_for_a_lost_queue(): void
    {
        $this->app['db']->statement('drop table jobs');
        self::assertSame(0, $this->kqueue());
        self::assertSame('empty', self::$engine->reason);
        self::assertStringContainsString('no such table', $this->log());
    }

    public function test_rest_is_after_the_job(): void
    {
        $this->push('a');
        $begin = microtime(true);
        $this->kqueue(['--rest' => '0.3']);

        self::assertGreaterThan(0.3, microtime(true) - $begin);
        self::assertSame(1, self::$engine->finished);
    }

    public function test_a_payload_that_cannot_be_read_fails_as_in_queue_work(): void
    {
        $this->app['db']->table('jobs')->insert(['queue' => 'default', 'payload' => '{"job":"Nowhere\\\\Nothing@call","data":[]}', 'attempts' => 0, 'available_at' => 0, 'created_at' => 0]);
        $this->kqueue();

        self::assertCount(0, self::$engine->isolated);
        self::assertSame(0, $this->app['queue']->size());
    }

    #[TestWith(['not JSON'])]
    #[TestWith(['{}'])]
    #[TestWith(['[1]'])]
    public function test_a_payload_that_is_none_does_not_end_the_run(string $payload): void
    {
        $this->app['db']->table('jobs')->insert(['queue' => 'default', 'payload' => $payload, 'attempts' => 0, 'available_at' => 0, 'created_at' => 0]);
        $this->push('next');

        self::assertSame(0, $this->kqueue(['--max-jobs' => 2]));
        self::assertContains('next', Recorder::$ran);
    }

    private function push(string ...$names): void
    {
        foreach ($names as $name) {
            $this->app['queue']->connection('database')->push(new TestJob($name));
        }
    }

    /** As the event tells it; before Laravel 13 it does not. */
    private function stopReason(): ?string
    {
        $event = $this->stopped();

        return property_exists($event, 'reason') ? $event->reason->value : self::$engine->reason;
    }

    private function stopped(): WorkerStopping
    {
        return Recorder::all(WorkerStopping::class)[0];
    }
}
