<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Events\CallQueuedListener;
use KQueue\Isolation\Policy;
use KQueue\Tests\Laravel\Fixtures\EncryptedIsolatedJob;
use KQueue\Tests\Laravel\Fixtures\FreshJob;
use KQueue\Tests\Laravel\Fixtures\IsolatedJob;
use KQueue\Tests\Laravel\Fixtures\IsolatedListener;
use KQueue\Tests\Laravel\Fixtures\PlainKQueueJob;
use KQueue\Tests\Laravel\Fixtures\TestJob;

final class PolicyTest extends TestCase
{
    public function test_jobs_are_inline_unless_something_says_otherwise(): void
    {
        self::assertFalse($this->isolates(new TestJob));
        self::assertFalse($this->isolates(new PlainKQueueJob));
        self::assertFalse((new Policy([], false, 512))->isolates([]));
        self::assertFalse((new Policy([], false, 512))->isolates(['displayName' => null, 'data' => 'text']));
    }

    public function test_the_class_says_so(): void
    {
        $payload = $this->payload(new IsolatedJob);
        unset($payload['kqueue']);

        self::assertTrue((new Policy([], false, 512))->isolates($payload), 'a job that was dispatched without the package');
    }

    public function test_the_job_object_says_otherwise_than_its_class(): void
    {
        $job = new IsolatedJob;
        $job->isolated = false;
        self::assertFalse($this->isolates($job));

        $job = new PlainKQueueJob;
        $job->isolated = true;
        self::assertTrue($this->isolates($job));
    }

    public function test_encrypted_jobs_are_not_decrypted_for_it(): void
    {
        self::assertStringStartsNotWith('O:', $this->payload(new EncryptedIsolatedJob)['data']['command']);
        self::assertTrue($this->isolates(new EncryptedIsolatedJob));
    }

    public function test_queued_listeners_are_known_by_their_own_class(): void
    {
        self::assertTrue($this->isolates(new CallQueuedListener(IsolatedListener::class, 'handle', [])));
    }

    public function test_the_operator_has_the_last_word(): void
    {
        $job = new IsolatedJob;
        $job->isolated = false;

        self::assertTrue($this->isolates($job, ['*\IsolatedJob']));
        self::assertTrue($this->isolates(new TestJob, [TestJob::class]));
        self::assertFalse($this->isolates(new TestJob, ['App\*', IsolatedJob::class]));
        self::assertTrue($this->isolates(new TestJob, [], true));
    }

    public function test_fresh_is_what_the_job_object_says_else_its_class(): void
    {
        $policy = new Policy([], false, 512);
        $payload = $this->payload(new FreshJob);
        self::assertTrue($policy->isFresh($payload));
        unset($payload['kqueue']);
        self::assertTrue($policy->isFresh($payload), 'a job that was dispatched without the package');

        $job = new FreshJob;
        $job->fresh = false;
        self::assertFalse($policy->isFresh($this->payload($job)));

        $job = new PlainKQueueJob;
        self::assertArrayNotHasKey('kqueue', $this->payload($job));
        self::assertFalse($policy->isFresh($this->payload($job)));
        $job->fresh = true;
        self::assertTrue($policy->isFresh($this->payload($job)));
        self::assertFalse($policy->isFresh($this->payload(new TestJob)));
    }

    public function test_memory_and_priority(): void
    {
        $policy = new Policy([], false, 512);

        self::assertSame(64, $policy->memoryOf($this->payload(new IsolatedJob)));
        self::assertSame(3, $policy->priorityOf($this->payload(new IsolatedJob)));
        self::assertSame(512, $policy->memoryOf($this->payload(new TestJob)));
        self::assertSame(0, $policy->priorityOf($this->payload(new TestJob)));
    }

    /** @param  list<string>  $list */
    private function isolates(object $job, array $list = [], bool $all = false): bool
    {
        return (new Policy($list, $all, 512))->isolates($this->payload($job));
    }

    /** @return array<string, mixed> */
    private function payload(object $job): array
    {
        $this->app['queue']->push($job);

        return json_decode($this->app['db']->table('jobs')->orderByDesc('id')->value('payload'), true);
    }
}
