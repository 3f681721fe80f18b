<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Jobs\DatabaseJob;
use KQueue\Child\ChildJob;
use KQueue\Tests\Laravel\Fixtures\FreshJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use PHPUnit\Framework\Attributes\TestWith;
use RuntimeException;

final class FreshTest extends TestCase
{
    public function test_a_lane_for_each_job_if_the_operator_says_so(): void
    {
        $this->push(new TestJob('a'), new TestJob('b'), new FreshJob('c'));
        $this->kqueue(['--fresh' => true, '--max-jobs' => '3']);

        self::assertSame(['a', 'b', 'c'], Recorder::$ran);
        self::assertGreaterThanOrEqual(3, self::$engine->lanes);
        self::assertSame([], self::$engine->fresh, 'the lane itself is pristine');
        self::assertInstanceOf(DatabaseJob::class, Recorder::all(JobProcessed::class)[0]->job);
    }

    public function test_the_config_says_so(): void
    {
        $this->app['config']->set('kqueue.fresh', true);
        $this->push(new TestJob('a'), new TestJob('b'));
        $this->kqueue(['--max-jobs' => '2']);

        self::assertGreaterThanOrEqual(2, self::$engine->lanes);
    }

    #[TestWith(['auto'])]
    #[TestWith(['booted'])]
    public function test_a_fresh_job_has_an_application_of_its_own_and_the_lane_goes_on(string $lanes): void
    {
        $this->app['config']->set('kqueue.lanes', $lanes);
        self::$engine->hasTemplate = $lanes === 'booted';
        $this->push(new TestJob('before'), new FreshJob('fresh'), new FreshJob('again'), new TestJob('after'));
        Recorder::$handlers['before'] = fn () => config(['app.name' => 'changed']);
        $names = [];
        Recorder::$handlers['fresh'] = Recorder::$handlers['again'] = Recorder::$handlers['after'] = function () use (&$names): void {
            $names[] = config('app.name');
            config(['app.name' => 'changed by a fresh job']);
        };
        $this->kqueue();

        self::assertSame(['before', 'fresh', 'again', 'after'], Recorder::$ran);
        self::assertSame([$this->app['config']['app.name'], $this->app['config']['app.name'], 'changed'], $names);
        self::assertSame(Recorder::$apps[0], Recorder::$apps[3], 'the lane keeps its application');
        self::assertSame(1, self::$engine->lanes);
        self::assertCount(2, self::$engine->fresh);
        self::assertSame([60.0, 60.0, 60.0, 60.0], array_column(self::$engine->reserved, 'timeout'), 'the deadline is the lane\'s');
        self::assertSame(0, $this->app['queue']->size());
        self::assertInstanceOf(ChildJob::class, Recorder::all(JobProcessed::class)[1]->job);
    }

    public function test_a_fresh_job_that_fails_and_one_that_is_released(): void
    {
        $this->push(new FreshJob('bad', tries: 2, backoff: '0'));
        Recorder::$handlers['bad'] = fn () => throw new RuntimeException('no luck');
        $this->kqueue();

        self::assertSame(['bad', 'bad', 'bad failed: no luck'], Recorder::$ran);
        self::assertCount(1, $this->failedJobs());
        self::assertCount(1, Recorder::all(JobFailed::class));
    }

    public function test_what_a_fresh_job_leaves_open_is_told(): void
    {
        $this->push(new FreshJob('open'));
        Recorder::$handlers['open'] = fn () => app('db')->beginTransaction();
        $this->kqueue(['--max-jobs' => '1']);

        self::assertStringContainsString(FreshJob::class.' left a transaction open on the database connection [sqlite]', $this->log());
        self::assertSame(0, $this->app['queue']->size(), 'deleted on the connection of the lane');
    }

    private function push(object ...$jobs): void
    {
        foreach ($jobs as $job) {
            $this->app['queue']->connection('database')->push($job);
        }
    }
}
