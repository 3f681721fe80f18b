<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Queue\Events\JobFailed;
use KQueue\Child\ChildJob;
use KQueue\Exception\QueueRefused;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use RuntimeException;

final class ChildJobTest extends TestCase
{
    /** @var list<array{action: string, delay: int}> */
    private array $asked = [];

    private string $answer = '';

    public function test_it_is_the_job_that_the_lane_reserved(): void
    {
        $job = $this->job();

        self::assertSame([7, 2, 'mails', 'database', 'u'], [$job->getJobId(), $job->attempts(), $job->getQueue(), $job->getConnectionName(), $job->uuid()]);
        self::assertSame(5, $job->maxTries());
    }

    public function test_delete_and_release_are_asked_of_the_lane(): void
    {
        $job = $this->job();
        $job->delete();
        self::assertTrue($job->isDeleted());

        $job = $this->job();
        $job->release(30);
        self::assertTrue($job->isReleased());

        $this->job()->release(new \DateInterval('PT90S'));

        self::assertSame(
            [['action' => 'delete', 'delay' => 0], ['action' => 'release', 'delay' => 30], ['action' => 'release', 'delay' => 90]],
            $this->asked,
        );
    }

    public function test_fail_tells_the_lane_when_it_begins_and_when_the_failure_is_recorded(): void
    {
        $job = $this->job();
        $job->fail(new RuntimeException('no'));
        $job->fail(new RuntimeException('again'));

        self::assertSame(['fail', 'delete', 'failed'], array_column($this->asked, 'action'));
        self::assertCount(1, Recorder::all(JobFailed::class));
        self::assertTrue($job->hasFailed());
    }

    public function test_what_the_queue_refuses_is_thrown(): void
    {
        $this->answer = 'PDOException: database is locked';

        $this->expectException(QueueRefused::class);
        $this->expectExceptionMessage('The queue did not delete the job: PDOException: database is locked');

        $this->job()->delete();
    }

    private function job(): ChildJob
    {
        self::$engine->outcomes[] = static fn (): array => ['status' => 'done', 'result' => '', 'reason' => ''];
        self::$engine->isolate('', function (string $question): string {
            $this->asked[] = unserialize($question);

            return $this->answer;
        }, null, null, 0);

        return new ChildJob($this->app, self::$engine, [
            'connection' => 'database', 'queue' => 'mails', 'id' => 7, 'attempts' => 2,
            'body' => '{"uuid": "u", "job": "KQueue\\\\Tests\\\\Laravel\\\\Fixtures\\\\Nothing@fire", "maxTries": 5, "data": []}',
        ]);
    }
}
