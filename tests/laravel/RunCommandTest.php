<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Contracts\Console\Kernel;
use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Events\WorkerStopping;
use KQueue\Console\RunCommand;
use KQueue\Support\Settings;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use PHPUnit\Framework\Attributes\DataProvider;
use RuntimeException;

final class RunCommandTest extends TestCase
{
    public function test_it_is_a_command_of_artisan(): void
    {
        self::assertInstanceOf(RunCommand::class, $this->app->make(Kernel::class)->all()['kqueue:run']);
    }

    public function test_it_has_every_option_of_queue_work_with_the_same_default(): void
    {
        $work = $this->app->make(WorkCommand::class)->getDefinition();
        $run = $this->app->make(RunCommand::class)->getDefinition();

        self::assertEquals($work->getArguments(), $run->getArguments());

        foreach ($work->getOptions() as $name => $option) {
            if ($name !== 'memory') {
                self::assertEquals($option, $run->getOption($name), $name);
            }
        }

        self::assertSame(
            ['concurrency', 'isolated', 'isolate', 'fresh'],
            array_values(array_diff(array_keys($run->getOptions()), array_keys($work->getOptions()))),
        );
    }

    /** @return array<string, array{array<string, mixed>, string}> */
    public static function mistakes(): array
    {
        return [
            'unknown connection' => [['connection' => 'nope'], 'The queue connection [nope] is not configured. Configured are: sync, '],
            'sync' => [['connection' => 'sync'], 'The queue connection [sync] has the driver "sync", which runs each job at once where it is dispatched and keeps none for a worker. Dispatch to one that keeps them and name it here: database, '],
            'deferred' => [['connection' => 'deferred'], 'has the driver "deferred", which runs each job after the response'],
            'background' => [['connection' => 'background'], 'has the driver "background", which starts a process for each job'],
            'null' => [['connection' => 'null'], 'has the driver "null", which throws all jobs away'],
            'failover' => [['connection' => 'failover'], 'has the driver "failover", which passes jobs on to other connections and keeps none for a worker. Run kqueue:run for each of them: database, redis.'],
            'no lane' => [['--concurrency' => '0'], '--concurrency must be a whole number from 1 to 100000, not "0".'],
            'a negative number of lanes' => [['--concurrency' => '-5'], '--concurrency must be'],
            'lanes in words' => [['--concurrency' => 'many'], '--concurrency must be a whole number from 1 to 100000, not "many".'],
            'half a lane' => [['--concurrency' => '1.5'], '--concurrency must be'],
            'too many children' => [['--isolated' => '5000'], '--isolated must be a whole number from 1 to 1024, not "5000".'],
            'no child' => [['--isolated' => '0'], '--isolated must be'],
            'timeout' => [['--timeout' => 'soon'], '--timeout must be a number, not "soon".'],
            'sleep' => [['--sleep' => '1s'], '--sleep must be a number, not "1s".'],
            'tries' => [['--tries' => 'x'], '--tries must be'],
            'memory' => [['--memory' => '1G'], '--memory must be'],
            'backoff' => [['--backoff' => '1;2'], '--backoff must be'],
        ];
    }

    /** @param  array<string, mixed>  $options */
    #[DataProvider('mistakes')]
    public function test_mistakes_are_told_in_one_line(array $options, string $message): void
    {
        [$status, $output] = $this->artisan('kqueue:run', $options);

        self::assertSame(1, $status);
        self::assertStringContainsString($message, $output);
        self::assertCount(1, explode("\n", trim($output)));
        self::assertNull(self::$engine->options, 'nothing was started');
    }

    public function test_it_says_that_the_extension_is_missing(): void
    {
        self::$engine->available = false;
        [$status, $output] = $this->artisan('kqueue:run');

        self::assertSame(1, $status);
        self::assertStringContainsString('kqueue:run needs the kqueue extension: add "extension=kqueue"', $output);
        self::assertCount(1, explode("\n", trim($output)));
    }

    public function test_what_the_master_is_told(): void
    {
        $this->app['config']->set(['kqueue.max_memory' => 99, 'kqueue.grace' => 1.5, 'kqueue.child_jobs' => 7, 'kqueue.flush' => 2.5]);
        $this->kqueue(['--isolated' => '3']);

        self::assertSame(['isolated' => 3, 'memory_limit' => 99, 'grace' => 1.5, 'child_jobs' => 7, 'flush' => 2.5], self::$engine->options);
    }

    public function test_there_are_as_many_isolated_jobs_as_cores_that_the_process_may_use(): void
    {
        self::$engine->cores = 5;
        $this->kqueue();

        self::assertSame(5, self::$engine->options['isolated']);
    }

    public function test_memory_grows_with_the_number_of_lanes_unless_it_is_given(): void
    {
        self::$engine->audit = ['bytes' => 3 << 20];
        $few = (int) $this->workerOptions()->memory;
        $many = (int) $this->workerOptions(['--concurrency' => '200'])->memory;

        self::assertGreaterThan(128 + (2 + 3) * 50, $few, 'the process itself is counted');
        self::assertEqualsWithDelta((2 + 3) * 150, $many - $few, 20);
        self::assertSame(64, (int) $this->workerOptions(['--memory' => '64'])->memory);
    }

    public function test_options_reach_the_worker(): void
    {
        $options = $this->workerOptions(['--tries' => '4', '--backoff' => '1,5', '--timeout' => '9', '--rest' => '0', '--name' => 'x']);

        self::assertEquals([4, '1,5', 9, 'x'], [$options->maxTries, $options->backoff, $options->timeout, $options->name]);
    }

    public function test_if_all_jobs_are_isolated_there_are_no_more_lanes_than_processes(): void
    {
        self::$engine->audit = ['bytes' => 100 << 20];
        $three = (int) $this->workerOptions(['--isolate' => true, '--isolated' => '3'])->memory;
        $two = (int) $this->workerOptions(['--isolate' => true, '--isolated' => '3', '--concurrency' => '2'])->memory;

        self::assertEqualsWithDelta(102, $three - $two, 20);
    }

    public function test_settings_are_plain_data(): void
    {
        $settings = new Settings('b', 'c', 'q', ['sleep' => 2], [], false, 5, 'auto', [], 1, false, ['A\*'], 512, 2.0, 100, 32, false, null, 1.0, 1.0, 256, 60.0, 10.0);

        self::assertEquals($settings, Settings::fromArray(unserialize(serialize($settings->toArray()), ['allowed_classes' => false])));
        self::assertFalse($settings->withLanes(false, false)->cloned);
        self::assertSame(2, $settings->workerOptions()->sleep);
    }

    public function test_once_runs_exactly_one_job(): void
    {
        $this->app['queue']->push(new TestJob('first'));
        $this->app['queue']->push(new TestJob('second'));

        self::assertSame(0, $this->artisan('kqueue:run', ['--once' => true, '--quiet' => true])[0]);
        self::assertSame(['first'], Recorder::$ran);
        self::assertSame(1, $this->app['queue']->size());
    }

    public function test_once_sleeps_if_there_is_no_job(): void
    {
        self::assertSame(0, $this->artisan('kqueue:run', ['--once' => true, '--quiet' => true, '--sleep' => '2'])[0]);
        self::assertSame([2.0], self::$engine->idled);
        self::assertSame(1, self::$engine->lanes);
    }

    public function test_once_waits_and_ends_in_maintenance_mode(): void
    {
        $this->app['queue']->push(new TestJob);
        $this->app->maintenanceMode()->activate([]);

        self::assertSame(0, $this->artisan('kqueue:run', ['--once' => true, '--quiet' => true, '--sleep' => '0'])[0]);
        self::assertSame([], Recorder::$ran);

        self::assertSame(0, $this->artisan('kqueue:run', ['--once' => true, '--quiet' => true, '--sleep' => '0', '--force' => true])[0]);
        self::assertSame(['job'], Recorder::$ran);
    }

    public function test_it_takes_the_default_connection_and_its_queue(): void
    {
        $this->app['config']->set('queue.connections.database.queue', 'mails');
        $this->app['queue']->connection('database')->push(new TestJob('a'), '', 'default');
        $this->app['queue']->connection('database')->push(new TestJob('b'), '', 'mails');
        $this->kqueue();

        self::assertSame(['b'], Recorder::$ran);
    }

    public function test_what_is_thrown_outside_of_lanes_is_told_and_ends_the_run(): void
    {
        Recorder::$onBoot = [static fn () => throw new RuntimeException('thrown by a listener')];
        [$status, $output] = $this->artisan('kqueue:run', ['--stop-when-empty' => true, '--sleep' => 0]);

        self::assertSame(1, $status);
        self::assertStringContainsString('thrown by a listener', $output);
        self::assertStringContainsString('thrown by a listener', $this->log());
    }

    public function test_booting_lanes_is_said_to_be_necessary(): void
    {
        self::$engine->audit = ['refused' => ['app → Foo::$client → CurlHandle']];
        $this->app['queue']->push(new TestJob);
        $this->kqueue();

        self::assertSame(['job'], Recorder::$ran);
        self::assertStringContainsString('app → Foo::$client → CurlHandle', $this->log());
        self::assertStringContainsString('kqueue.shared', $this->log());
    }

    public function test_what_the_engine_warns_of_is_logged_and_shown(): void
    {
        self::$engine->messages = [['info', 'Hooks (all): 1 slot'], ['warning', 'A <b>job</b> uses the connection of another']];
        $run = fn (array $options = []): string => $this->artisan('kqueue:run', $options + ['--stop-when-empty' => true, '--sleep' => 0])[1];
        $output = $run();

        self::assertStringContainsString('WARNING: KQueue: A <b>job</b> uses the connection of another', $this->log());
        self::assertStringContainsString('KQueue: A <b>job</b> uses the connection of another', $output);
        self::assertStringNotContainsString('Hooks', $output.$this->log());
        self::assertStringContainsString('  Hooks (all): 1 slot', $run(['-v' => true]));
    }

    /** @param  array<string, mixed>  $options */
    private function workerOptions(array $options = []): object
    {
        Recorder::reset();
        self::$engine->stopping = false;
        Recorder::$onBoot = [];
        $this->kqueue($options);

        return Recorder::all(\Illuminate\Queue\Events\WorkerStopping::class)[0]->workerOptions;
    }
}
