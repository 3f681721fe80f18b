<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\TaggedAct;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\Driver;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/**
 * Horizon replaces Laravel's RedisQueue by one that tells what happens to each job. It is told the same as under queue:work.
 *
 * The real one is used if it is installed, or if KQUEUE_TEST_HORIZON_FOLDER names it, otherwise what app/horizon.php has of it.
 */
final class HorizonTest extends TestCase
{
    protected function setUp(): void
    {
        putenv('KQUEUE_TEST_HORIZON=1');
        parent::setUp();

        if ($why = Driver::lacks('phpredis')) {
            self::markTestSkipped($why);
        }

        putenv('KQUEUE_TEST_CONFIG='.json_encode(['horizon.use' => 'queues', 'horizon.prefix' => 'horizon:', 'horizon.path' => 'horizon'] + Driver::named('phpredis')->config));
        $this->use('phpredis');
        $this->app['redis']->connection('queues')->flushdb();
    }

    protected function tearDown(): void
    {
        parent::tearDown();
        putenv('KQUEUE_TEST_HORIZON');
        putenv('KQUEUE_TEST_CONFIG');
    }

    public function test_it_is_told_the_same_as_under_queue_work(): void
    {
        $expected = $this->told('queue:work');

        self::assertSame(['JobPushed', 'JobReserved', 'JobPopped', 'JobProcessing', 'JobDeleted', 'JobProcessed'], self::events($expected['succeeds']));
        self::assertContains('JobFailed', self::events($expected['fails']));
        self::assertContains('JobsMigrated', self::events($expected['delayed']));
        self::assertContains('JobReleased', self::events($expected['retried']));
        self::assertContains('JobPushed', self::events($expected['queued by another']));

        self::assertSame($expected, $this->told('kqueue:run'));
        self::assertSame($expected, $this->told('kqueue:run', '--isolate'));
    }

    public function test_it_is_told_of_a_job_whose_process_dies(): void
    {
        $this->pushTagged('dies', (new TaggedAct('signal', SIGSEGV)));
        $run = $this->start('kqueue:run', ['--sleep=0.1', '--isolate']);
        $this->waitUntilEmpty($run);
        $told = $this->byJob()['dies'];

        self::assertSame(['JobPushed', 'JobReserved', 'JobPopped', 'JobProcessing', 'JobDeleted', 'JobFailed', 'JobFailed', 'JobExceptionOccurred'], self::events($told));
        self::assertTrue($told[4]['failed'], 'it can be told from one that is done');
        self::assertSame('KQueue\Exception\ChildDied', array_values(array_filter(array_column($told, 'exception')))[0]);
    }

    #[TestWith([SIGKILL, 'succeeds'])]
    #[TestWith([SIGSEGV, 'fails'])]
    public function test_it_is_told_of_the_jobs_of_a_runner_that_dies(int $signal, string $end): void
    {
        $this->pushTagged('beside', new TaggedAct('sleep', 1.0));
        $this->pushTagged('guilty', $signal === SIGSEGV ? new TaggedAct('signal', SIGSEGV) : new TaggedAct('sleep', 1.0));
        $run = $this->start('kqueue:run', ['--sleep=0.1']);
        $this->waitForStarts(2);
        $signal === SIGKILL && posix_kill(Trace::all('start')[0]['pid'], SIGKILL);
        $this->waitUntilEmpty($run);
        $told = $this->byJob();

        self::assertSame(['JobPushed', 'JobReserved', 'JobPopped', 'JobProcessing', 'JobReserved', 'JobPopped', 'JobProcessing', 'JobDeleted', 'JobProcessed'], self::events($told['beside']));
        self::assertSame([1, 1], [$told['beside'][1]['attempts'], $told['beside'][4]['attempts']], 'no attempt was lost');

        if ($end === 'fails') {
            self::assertSame(['JobPushed', 'JobReserved', 'JobPopped', 'JobProcessing', 'JobDeleted', 'JobFailed', 'JobFailed', 'JobExceptionOccurred'], self::events($told['guilty']));
            self::assertTrue($told['guilty'][4]['failed']);
        }
    }

    /** @param  list<string>  $options */
    #[TestWith([[]])]
    #[TestWith([['--isolate']])]
    public function test_its_dashboard_shows_jobs_failures_tags_and_metrics(array $options): void
    {
        if (! interface_exists('Laravel\Horizon\Contracts\JobRepository')) {
            self::markTestSkipped('laravel/horizon is not installed: what it stores was not looked at. KQUEUE_TEST_HORIZON_FOLDER may name its folder.');
        }

        $this->pushTagged('a', new TaggedAct('nothing'));
        $this->pushTagged('b', (new TaggedAct('throwsBelow', 2))->with(['tries' => 2]));
        $this->pushTagged('c', new TaggedAct('throws', 'no luck'));
        $this->waitUntilEmpty($this->start('kqueue:run', ['--sleep=0.1', ...$options]));

        $jobs = $this->app->make('Laravel\Horizon\Contracts\JobRepository');
        $tags = $this->app->make('Laravel\Horizon\Contracts\TagRepository');
        $metrics = $this->app->make('Laravel\Horizon\Contracts\MetricsRepository');

        self::assertSame([3, 0, 2, 1], [$jobs->countRecent(), $jobs->countPending(), $jobs->countCompleted(), $jobs->countFailed()]);
        self::assertEqualsCanonicalizing(['completed', 'completed', 'failed'], $jobs->getRecent()->pluck('status')->all());
        self::assertStringContainsString('no luck', $jobs->getFailed()[0]->exception);
        self::assertSame([$jobs->getFailed()[0]->id], $tags->jobs('failed:c'));
        self::assertSame([TaggedAct::class], $metrics->measuredJobs());
        self::assertSame([2, 2], [$metrics->throughputForJob(TaggedAct::class), $metrics->throughputForQueue('work')]);
    }

    /** @return array<string, list<array<string, mixed>>> */
    private function told(string $command, string ...$options): array
    {
        @unlink("{$this->folder}/trace");
        $this->app['db']->table('failed_jobs')->delete();

        // No delay is shorter than two seconds: otherwise another lane or process may have a job before who queued it has told of it.
        $this->pushTagged('succeeds', new TaggedAct('nothing'));
        $this->pushTagged('retried', (new TaggedAct('throwsBelow', 3))->with(['tries' => 3, 'backoff' => 2]));
        $this->pushTagged('fails', (new TaggedAct('throws'))->with(['tries' => 2, 'backoff' => 2]));
        $this->pushTagged('fails itself', new TaggedAct('failsItself'));
        $this->pushTagged('releases itself', (new TaggedAct('releases', 3, 2))->with(['tries' => 5]));
        $this->pushTagged('is released too often', new TaggedAct('releases', 3, 2));
        $this->pushTagged('delayed', (new TaggedAct('nothing'))->delay(2));
        $this->pushTagged('queues another', new TaggedAct('queuesTagged', 'queued by another'));

        $run = $this->start($command, ['--sleep=0.1', '--tries=1', ...$options]);
        $this->waitUntilEmpty($run);
        $told = $this->byJob();
        ksort($told);

        return $told;
    }

    private function pushTagged(string $tag, TaggedAct $job): void
    {
        $this->push($job->with(['tag' => $tag]));
    }

    private function waitUntilEmpty(Process $run): void
    {
        $this->waitFor(fn (): bool => $this->app['queue']->size() === 0 || ! $run->isRunning(), 'all jobs to end');
        $run->signal(SIGTERM);
        self::assertSame(0, $run->wait(20), $run->output().$this->log());
        self::assertSame(0, $this->app['queue']->size());
    }

    /** @return array<string, list<array<string, mixed>>> */
    private function byJob(): array
    {
        foreach (array_column(Trace::all('horizon'), 'detail') as $entry) {
            $job = $entry['job'];
            unset($entry['job']);
            $told[$job][] = $entry;
        }

        return $told;
    }

    /**
     * @param  list<array<string, mixed>>  $told
     * @return list<string> without JobAttempted, which Laravel 10 does not have
     */
    private static function events(array $told): array
    {
        return array_values(array_diff(array_column($told, 'event'), ['JobAttempted']));
    }
}
