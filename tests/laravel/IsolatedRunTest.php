<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Closure;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\JobReleasedAfterException;
use Illuminate\Queue\Events\JobTimedOut;
use KQueue\Child\ChildJob;
use KQueue\Tests\Laravel\Fixtures\EncryptedIsolatedJob;
use KQueue\Tests\Laravel\Fixtures\IsolatedJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use RuntimeException;

final class IsolatedRunTest extends TestCase
{
    public function test_the_job_runs_in_the_childs_application_and_the_lane_deletes_it(): void
    {
        $this->push(new IsolatedJob(timeout: 7));
        $this->kqueue();

        self::assertSame(['job'], Recorder::$ran);
        self::assertSame([spl_object_id($this->app)], Recorder::$apps);
        self::assertSame(0, $this->app['queue']->size());
        self::assertSame([7.0, 64, 3], [self::$engine->isolated[0]['timeout'], self::$engine->isolated[0]['memory'], self::$engine->isolated[0]['priority']]);
        self::assertNull(self::$engine->reserved[0]['timeout'], 'the lane itself has no deadline');
    }

    public function test_events_of_the_job_fire_in_the_child_only(): void
    {
        $this->push(new IsolatedJob);
        $this->kqueue();

        self::assertCount(1, Recorder::all(JobProcessing::class));
        self::assertInstanceOf(ChildJob::class, Recorder::all(JobProcessing::class)[0]->job);
    }

    public function test_encrypted_jobs(): void
    {
        $this->push(new EncryptedIsolatedJob);
        $this->kqueue();

        self::assertSame(['job'], Recorder::$ran);
        self::assertCount(1, self::$engine->isolated);
    }

    public function test_every_job_can_be_isolated(): void
    {
        $this->push(new TestJob);
        $this->kqueue(['--isolate' => true]);

        self::assertCount(1, self::$engine->isolated);
        self::assertSame(512, self::$engine->isolated[0]['memory']);
    }

    public function test_a_release_in_the_child_is_one_of_the_real_job(): void
    {
        $this->push(new IsolatedJob('again'));
        Recorder::$handlers['again'] = static fn (TestJob $job) => $job->release(50);
        $this->kqueue();

        self::assertEqualsWithDelta(time() + 50, $this->app['db']->table('jobs')->value('available_at'), 3);
        self::assertSame(1, $this->app['db']->table('jobs')->value('attempts'));
    }

    public function test_a_dead_child_is_a_failed_attempt_with_the_true_reason(): void
    {
        $this->push(new IsolatedJob(tries: 2, backoff: '30'));
        $this->outcome(['status' => 'died', 'reason' => 'killed by signal 11 (SIGSEGV)']);
        $this->kqueue();

        self::assertCount(1, Recorder::all(JobReleasedAfterException::class));
        self::assertEqualsWithDelta(time() + 30, $this->app['db']->table('jobs')->value('available_at'), 3);
        self::assertSame([], $this->failedJobs());

        self::$engine->stopping = false;
        $this->app['db']->table('jobs')->update(['available_at' => 0]);
        $this->outcome(['status' => 'died', 'reason' => 'killed by signal 11 (SIGSEGV)']);
        $this->kqueue();

        self::assertCount(1, $this->failedJobs());
        self::assertStringContainsString(
            'KQueue\Exception\ChildDied: The process of '.IsolatedJob::class.' ended before the job did: killed by signal 11 (SIGSEGV).',
            $this->failedJobs()[0]->exception,
        );
        self::assertSame(0, $this->app['queue']->size());
        self::assertStringContainsString('job failed: The process of', Recorder::$ran[0]);
    }

    public function test_exit_in_a_child(): void
    {
        $this->push(new IsolatedJob);
        $this->outcome(['status' => 'exited']);
        $this->kqueue();

        self::assertStringContainsString('called exit()', $this->failedJobs()[0]->exception);
    }

    public function test_a_child_over_its_timeout(): void
    {
        $this->push(new IsolatedJob(tries: 2, backoff: '0', timeout: 1));
        $this->outcome(['status' => 'timeout'], ['status' => 'timeout']);
        $this->kqueue();

        self::assertCount(2, Recorder::all(JobTimedOut::class));
        self::assertCount(1, $this->failedJobs());
        self::assertStringContainsString('TimeoutExceededException: '.IsolatedJob::class.' has timed out', $this->failedJobs()[0]->exception);
    }

    public function test_a_child_that_dies_after_the_job_was_deleted_costs_nothing(): void
    {
        $this->push(new IsolatedJob);
        $this->outcome(static function (string $request, Closure $answer): array {
            self::assertSame('', $answer(serialize(['action' => 'delete', 'delay' => 0])));

            return ['status' => 'died', 'result' => '', 'reason' => 'killed by signal 9 (SIGKILL)'];
        });
        $this->kqueue();

        self::assertSame([], $this->failedJobs());
        self::assertSame(0, $this->app['queue']->size());
        self::assertStringContainsString('killed by signal 9 (SIGKILL)', $this->log());
    }

    public function test_a_child_that_dies_while_it_records_a_failure_leaves_the_record_to_the_lane(): void
    {
        $this->push(new IsolatedJob);
        $this->outcome(static function (string $request, Closure $answer): array {
            $answer(serialize(['action' => 'fail', 'delay' => 0]));
            $answer(serialize(['action' => 'delete', 'delay' => 0]));

            return ['status' => 'died', 'result' => '', 'reason' => 'killed by signal 9 (SIGKILL)'];
        });
        $this->kqueue();

        self::assertCount(1, $this->failedJobs());
        self::assertCount(1, Recorder::all(JobFailed::class));
    }

    public function test_a_failure_that_the_child_recorded_is_not_recorded_again(): void
    {
        $this->push(new IsolatedJob);
        Recorder::$handlers['job'] = static fn () => throw new RuntimeException('no');
        $this->outcome(static function (string $request): array {
            (fn () => $this->inChild($request))->call(self::$engine);

            return ['status' => 'died', 'result' => '', 'reason' => 'killed by signal 9 (SIGKILL)'];
        });
        $this->kqueue();

        self::assertCount(1, $this->failedJobs());
        self::assertCount(1, Recorder::all(JobFailed::class));
    }

    public function test_a_transaction_that_a_returning_job_left_open_is_rolled_back_in_the_child(): void
    {
        $this->app['config']->set('database.connections.other', $this->app['config']['database.connections.sqlite']);
        $this->push(new IsolatedJob('open'), new IsolatedJob('next'));
        Recorder::$handlers['open'] = fn () => app('db')->connection('other')->beginTransaction();
        Recorder::$handlers['next'] = fn () => Recorder::ran('level '.app('db')->connection('other')->transactionLevel());
        $this->kqueue();

        self::assertSame(['open', 'next', 'level 0'], Recorder::$ran);
    }

    public function test_a_child_that_could_not_run_the_job(): void
    {
        $this->push(new IsolatedJob);
        $this->outcome(['status' => 'done', 'result' => 'RuntimeException: broken']);
        $this->kqueue();

        self::assertStringContainsString('RuntimeException: broken', $this->failedJobs()[0]->exception);
    }

    public function test_what_the_queue_cannot_do_is_thrown_in_the_child(): void
    {
        $this->push(new IsolatedJob('locked'));
        Recorder::$handlers['locked'] = fn () => $this->app['db']->statement('drop table jobs');
        $this->kqueue(['--max-jobs' => '1']);

        self::assertStringContainsString('The queue did not delete the job: Illuminate\Database\QueryException: SQLSTATE[HY000]: General error: 1 no such table: jobs', $this->log());
    }

    public function test_the_child_is_cleaned_between_jobs(): void
    {
        $this->push(new IsolatedJob('open'), new IsolatedJob('next'));
        Recorder::$handlers['open'] = function (): void {
            app('db')->beginTransaction();
            app('log')->shareContext(['of' => 'the first job']);
            ob_start();
            throw new RuntimeException('left');
        };
        Recorder::$handlers['next'] = function (): void {
            self::assertSame(0, app('db')->transactionLevel());
            self::assertSame([], app('log')->sharedContext());
        };
        $level = ob_get_level();
        $this->kqueue();

        self::assertSame($level, ob_get_level());
        self::assertSame(['open', 'open failed: left', 'next'], Recorder::$ran);
        self::assertCount(1, $this->failedJobs());
    }

    private function push(object ...$jobs): void
    {
        foreach ($jobs as $job) {
            $this->app['queue']->push($job);
        }
    }

    /** @param  array{status: string, result?: string, reason?: string}|Closure  ...$outcomes */
    private function outcome(array|Closure ...$outcomes): void
    {
        foreach ($outcomes as $outcome) {
            self::$engine->outcomes[] = is_array($outcome) ? $outcome + ['result' => '', 'reason' => ''] : $outcome;
        }
    }
}
