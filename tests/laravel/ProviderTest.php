<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use KQueue\Tests\Laravel\Fixtures\IsolatedJob;
use KQueue\Tests\Laravel\Fixtures\PlainKQueueJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;

final class ProviderTest extends TestCase
{
    public function test_config_has_its_defaults(): void
    {
        $config = $this->app['config']['kqueue'];

        self::assertSame(50, $config['concurrency']);
        self::assertSame('auto', $config['lanes']);
        self::assertSame(512, $config['max_memory']);
    }

    public function test_payload_has_what_the_job_says(): void
    {
        $this->app['queue']->push(new IsolatedJob);

        self::assertSame(['isolated' => true, 'maxMemory' => 64, 'priority' => 3], $this->payload()['kqueue']);
    }

    public function test_payload_has_what_was_set_on_this_very_job(): void
    {
        $job = new PlainKQueueJob;
        $job->isolated = false;
        $this->app['queue']->push($job);

        self::assertSame(['isolated' => false], $this->payload()['kqueue']);
    }

    public function test_payload_of_other_jobs_is_as_laravel_makes_it(): void
    {
        $this->app['queue']->push(new TestJob);
        self::assertArrayNotHasKey('kqueue', $this->payload());

        $this->app['queue']->push(new PlainKQueueJob);
        self::assertArrayNotHasKey('kqueue', $this->payload());

        $this->app['queue']->push('SomeClass@method', ['a' => 1]);
        self::assertArrayNotHasKey('kqueue', $this->payload());
    }

    public function test_properties_of_other_types_are_someone_elses(): void
    {
        $job = new class extends TestJob
        {
            public string $priority = 'high';

            public string $isolated = 'yes';

            protected int $maxMemory = 3;
        };
        $hooks = (fn () => self::$createPayloadCallbacks)->bindTo(null, \Illuminate\Queue\Queue::class)();

        foreach ($hooks as $hook) {
            self::assertArrayNotHasKey('kqueue', $hook('database', 'default', ['data' => ['commandName' => $job, 'command' => $job]]));
        }
    }

    public function test_kqueue_jobs_run_under_queue_work(): void
    {
        $this->app['queue']->push(new IsolatedJob('isolated'));
        $this->app['queue']->push(new PlainKQueueJob);

        $this->artisan('queue:work', ['--stop-when-empty' => true, '--sleep' => 0, '--quiet' => true]);

        self::assertSame(['isolated', 'kqueue job'], Recorder::$ran);
    }

    /** @return array<string, mixed> of the newest job */
    private function payload(): array
    {
        return json_decode($this->app['db']->table('jobs')->orderByDesc('id')->value('payload'), true);
    }
}
