<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Cache\FileStore;
use Illuminate\Container\Container;
use Illuminate\Queue\Events\Looping;
use KQueue\Isolation\Profile;
use KQueue\Tests\Laravel\Fixtures\IsolatedJob;
use KQueue\Tests\Laravel\Fixtures\PlainKQueueJob;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Tests\Laravel\Fixtures\TestJob;
use PHPUnit\Framework\Attributes\DataProvider;
use RuntimeException;

/** Jobs that misbehave in lanes run isolated from then on. */
final class ProfileTest extends TestCase
{
    private const SLOW = ['longest_slice' => 1.21, 'longest_cpu' => 1.2];

    public function test_a_class_that_holds_the_loop_runs_isolated_from_then_on(): void
    {
        $this->app['cache.store']->forever('something else', 1);
        $this->push(new TestJob('slow'), new TestJob('b'), new TestJob('c'));
        $place = $this->app->basePath('app/Jobs/X.php:42');
        $this->costs('slow', self::SLOW + ['where' => [$place, '/elsewhere/Y.php:7']]);
        $this->kqueue();

        self::assertSame(['slow', 'b', 'c'], Recorder::$ran);
        self::assertCount(2, self::$engine->isolated);
        self::assertStringContainsString(
            'testing.WARNING: '.TestJob::class.' held the loop for 1.2 s at app/Jobs/X.php:42; it runs isolated from now on. {"trace":["app/Jobs/X.php:42","/elsewhere/Y.php:7"]}',
            $this->log(),
        );
        $entry = $this->profile()->all()[TestJob::class];
        self::assertStringStartsWith('held the loop for 1.', $entry['reason']);
        self::assertEqualsWithDelta(time(), $entry['since'], 5);
    }

    public function test_it_survives_the_run(): void
    {
        $this->profile()->add(TestJob::class, 'was bad');
        $this->push(new TestJob('a'));
        $this->kqueue();

        self::assertCount(1, self::$engine->isolated);
    }

    public function test_a_reset_reaches_a_run_that_is_under_way(): void
    {
        $this->profile()->add(TestJob::class, 'was bad');
        $this->push(new TestJob('a'), new TestJob('b'));
        Recorder::$handlers['a'] = function (): void {
            $this->profile()->clear();
            self::$engine->notes['profile read'] = '0';
        };
        $this->kqueue();

        self::assertSame(['a', 'b'], Recorder::$ran);
        self::assertCount(1, self::$engine->isolated);
    }

    public function test_what_a_file_did_in_one_lane_only_is_done_again_in_a_process(): void
    {
        $this->push(new TestJob('mixed'), new TestJob('b'));
        $this->costs('mixed', ['effects' => '/app/mixed.php']);
        $this->kqueue();

        self::assertCount(1, self::$engine->isolated);
        self::assertStringContainsString('loads /app/mixed.php, which changes what other lanes do not get; it runs isolated from now on.', $this->log());
    }

    public function test_time_without_the_processor_is_not_held_against_a_class(): void
    {
        $this->push(new TestJob('slow'), new TestJob('b'));
        $this->costs('slow', ['longest_slice' => 3.0, 'longest_cpu' => 0.4]);
        $this->kqueue();

        self::assertCount(0, self::$engine->isolated);
        self::assertStringContainsString('held the loop for 3.0 s; no other job could go on meanwhile.', $this->log());
        self::assertSame([], $this->profile()->all());
    }

    public function test_slow_jobs_are_reported_once_in_a_while(): void
    {
        $this->push(new TestJob('slow'), new TestJob('slow'), new PlainKQueueJob);
        $this->costs('slow', ['longest_slice' => 0.3, 'longest_cpu' => 0.3, 'where' => ['x.php:1']]);
        $this->kqueue();

        self::assertSame(1, substr_count($this->log(), 'held the loop for 0.3 s at x.php:1; no other'));
    }

    public function test_a_short_slice_is_not_worth_a_word(): void
    {
        $this->push(new TestJob('a'));
        $this->costs('a', ['longest_slice' => 0.24, 'longest_cpu' => 0.24, 'memory' => 200 << 20]);
        $this->kqueue();

        self::assertSame('', $this->log());
    }

    public function test_a_class_that_calls_what_lanes_refuse_runs_isolated_from_then_on(): void
    {
        $this->push(new TestJob('a'), new TestJob('b'));
        $this->costs('a', ['refused' => 'pcntl_alarm']);
        $this->kqueue();

        self::assertCount(1, self::$engine->isolated);
        self::assertStringContainsString('called pcntl_alarm(), which does not work in a lane; it runs isolated from now on.', $this->log());
    }

    public function test_memory(): void
    {
        $this->push(new TestJob('big'), new TestJob('b'));
        $this->costs('big', ['memory' => 300 << 20]);
        $this->kqueue();

        self::assertCount(1, self::$engine->isolated);
        self::assertStringContainsString(TestJob::class.' used 300 MB, more than 256; it runs isolated from now on.', $this->log());
    }

    public function test_the_memory_that_a_job_says_it_needs_counts(): void
    {
        $job = new PlainKQueueJob;
        $job->maxMemory = 400;
        $this->push($job, new PlainKQueueJob);
        self::$engine->usageOfAll = ['memory' => 300 << 20];
        $this->kqueue();

        self::assertCount(0, self::$engine->isolated, 'the first job was within its own limit');
        self::assertStringContainsString('used 300 MB, more than 256', $this->log());
    }

    /** @return array<string, array{bool|null, array<string, mixed>, int}> */
    public static function words(): array
    {
        return [
            'a job that says false' => [false, [], 0],
            'a job that says nothing' => [null, [], 1],
            'turned off' => [null, ['slice' => 0, 'memory' => 0], 0],
            'another limit' => [null, ['slice' => 5.0, 'memory' => 0], 0],
            'half a config' => [null, ['memory' => 64], 1],
        ];
    }

    /** @param  array<string, mixed>  $auto */
    #[DataProvider('words')]
    public function test_who_decides(?bool $says, array $auto, int $isolated): void
    {
        if ($auto !== []) {
            $this->app['config']->set('kqueue.auto', $auto);
        }

        $job = new PlainKQueueJob;
        $job->isolated = $says;
        $this->push($job, clone $job);
        self::$engine->usageOfAll = self::SLOW;
        $this->kqueue();

        self::assertCount($isolated, self::$engine->isolated);
        self::assertStringContainsString('held the loop', $this->log());
    }

    public function test_jobs_that_run_isolated_are_not_looked_at(): void
    {
        $this->push(new IsolatedJob);
        self::$engine->usageOfAll = self::SLOW;
        $this->kqueue();

        self::assertSame([], $this->profile()->all());
        self::assertSame('', $this->log());
    }

    public function test_a_job_that_fails_is_looked_at_too(): void
    {
        $this->push(new TestJob('bad'));
        $this->costs('bad', self::SLOW, fn () => throw new RuntimeException('no luck'));
        $this->kqueue();

        self::assertArrayHasKey(TestJob::class, $this->profile()->all());
    }

    public function test_a_run_without_a_shared_cache_keeps_what_it_has_found_out(): void
    {
        $this->app['config']->set('cache.stores.array', ['driver' => 'array']);
        Recorder::$onBoot[] = static fn ($app) => $app['config']->set(['cache.stores.array' => ['driver' => 'array'], 'cache.default' => 'array']);
        $this->push(new TestJob('slow'), new TestJob('b'), new TestJob('c'));
        $this->costs('slow', self::SLOW);
        // Another lane leads, which has a store of its own and looks at it.
        Recorder::$onBoot[] = static fn ($app) => $app['events']->listen(Looping::class, static function () use ($app): void {
            $app['cache']->forget(Profile::KEY);
            self::$engine->notes['profile read'] = '0';
        });
        $this->kqueue();

        self::assertCount(2, self::$engine->isolated);
    }

    /** A tenancy package makes the cache that of the job's tenant, who stays the current one after it. */
    public function test_a_tenant_of_a_job_does_not_get_the_profile_and_nobody_hears_of_it(): void
    {
        $heard = [];
        $becomeTenant = static function (): void {
            $app = Container::getInstance();
            $app['config']->set(['cache.stores.tenant' => ['driver' => 'file', 'path' => TestCase::folder().'/cache/tenant'], 'cache.default' => 'tenant']);
            $app->forgetInstance('cache.store');
        };
        Recorder::$onBoot[] = static function ($app) use (&$heard): void {
            $app['events']->listen('Illuminate\Cache\Events\*', static function (string $name, array $events) use (&$heard): void {
                $heard[] = $events[0]->key ?? $name;
            });
        };
        $this->push(new TestJob('slow'), new TestJob('b'));
        $this->costs('slow', self::SLOW, $becomeTenant);
        $this->kqueue();

        self::assertArrayHasKey(TestJob::class, $this->profile()->all());
        self::assertSame([], preg_grep('/^kqueue:/', $heard));
        self::assertNotSame([], $heard);
    }

    public function test_a_cache_that_fails_harms_nobody(): void
    {
        Recorder::$onBoot[] = static function ($app): void {
            // Laravel 10 binds it, so it cannot be static.
            $app['cache']->extend('failing', fn ($app) => $app['cache']->repository(new class($app['files'], TestCase::folder().'/cache') extends FileStore
            {
                public function get($key)
                {
                    return $key === Profile::KEY ? throw new RuntimeException('no cache') : parent::get($key);
                }
            }));
            $app['config']->set(['cache.stores.failing' => ['driver' => 'failing'], 'cache.default' => 'failing']);
        };
        $this->push(new TestJob('slow'), new TestJob('b'));
        $this->costs('slow', self::SLOW);

        self::assertSame(0, $this->kqueue());
        self::assertSame(['slow', 'b'], Recorder::$ran);
        self::assertCount(1, self::$engine->isolated);
        self::assertStringContainsString('The profile of job classes could not be kept: no cache', $this->log());
    }

    public function test_what_classes_cost_is_kept_and_added_up(): void
    {
        $run = function (array $jobs): void {
            $this->push(...array_map(static fn (string $name): TestJob => new TestJob($name), $jobs), ...[new PlainKQueueJob, new IsolatedJob]);
            $this->costs('a', ['cpu' => 0.25, 'longest_slice' => 0.1, 'memory' => 10 << 20]);
            $this->costs('b', ['cpu' => 0.5, 'longest_slice' => 0.05, 'memory' => 30 << 20]);
            self::$engine->stopping = false;
            $this->kqueue();
        };
        $run(['a', 'b', 'a']);
        self::assertSame(['jobs' => 3, 'cpu' => 1.0, 'longest_slice' => 0.1, 'memory' => 30 << 20], $this->profile()->costs()[TestJob::class]);
        self::assertSame([TestJob::class, PlainKQueueJob::class], array_keys($this->profile()->costs()), 'not of those that run isolated');

        $run(['b', 'b']);
        self::assertSame(['jobs' => 5, 'cpu' => 2.0, 'longest_slice' => 0.1, 'memory' => 30 << 20], $this->profile()->costs()[TestJob::class]);
        self::assertSame(2, $this->profile()->costs()[PlainKQueueJob::class]['jobs']);
    }

    public function test_costs_are_written_down_while_a_run_goes_on(): void
    {
        $this->push(new TestJob('a'), new TestJob('b'));
        $seen = null;
        Recorder::$handlers['a'] = static function (): void {
            self::$engine->notes['profile read'] = '0';
        };
        Recorder::$handlers['b'] = function () use (&$seen): void {
            $seen = $this->profile()->costs();
        };
        $this->kqueue();

        self::assertSame(1, $seen[TestJob::class]['jobs'] ?? null);
        self::assertSame(2, $this->profile()->costs()[TestJob::class]['jobs']);
    }

    public function test_names_without_end_do_not_fill_the_cache(): void
    {
        $cost = static fn (float $cpu): array => ['jobs' => 1, 'cpu' => $cpu, 'longest_slice' => 0.1, 'memory' => 0];
        $this->profile()->addCosts(['heavy' => $cost(100.0)]);
        $this->profile()->addCosts(array_combine(array_map(static fn (int $i): string => "job #{$i}", range(1, 700)), array_map($cost, range(1, 7.99, 0.01))));

        self::assertCount(500, $this->profile()->costs());
        self::assertArrayHasKey('heavy', $this->profile()->costs());
        self::assertArrayHasKey('job #700', $this->profile()->costs());
    }

    public function test_nothing_is_kept_when_it_is_turned_off(): void
    {
        $this->app['config']->set('kqueue.auto', ['slice' => 0, 'memory' => 0]);
        $this->push(new TestJob('a'));
        $this->kqueue();

        self::assertSame([], $this->profile()->costs());
    }

    public function test_the_command_shows_and_resets(): void
    {
        self::assertStringContainsString('No job has been measured yet', $this->artisan('kqueue:profile')[1]);
        self::assertSame("{}\n", $this->artisan('kqueue:profile', ['--json' => true])[1]);

        $this->profile()->add('App\Jobs\B', 'held the loop for 2.0 s');
        $this->profile()->add('App\Jobs\A', 'used 300 MB, more than 256');
        $this->profile()->add('App\Jobs\A', 'is known');
        $this->profile()->addCosts([
            'App\Jobs\A' => $cost = ['jobs' => 4, 'cpu' => 0.5, 'longest_slice' => 0.0123, 'memory' => 3 << 20],
            'App\Jobs\D' => $cost,
        ]);

        [$status, $output] = $this->artisan('kqueue:profile');
        self::assertSame(0, $status);
        self::assertMatchesRegularExpression('/App.Jobs.A.*isolated since \d.*used 300 MB.*App.Jobs.B.*held the loop.*App.Jobs.D.*in lanes/s', $output);
        self::assertStringContainsString('4 in lanes: 125.0 ms of the processor each; at most 12.3 ms without a wait, 3.0 MB', $output);
        $json = json_decode($this->artisan('kqueue:profile', ['--json' => true])[1], true);
        self::assertSame(['App\Jobs\A', 'App\Jobs\B', 'App\Jobs\D'], array_keys($json));
        self::assertSame('used 300 MB, more than 256', $json['App\Jobs\A']['isolated']['reason']);
        self::assertSame(['isolated' => null] + $cost, $json['App\Jobs\D']);

        self::assertSame(1, $this->artisan('kqueue:profile', ['--reset' => 'App\Jobs\C'])[0]);
        self::assertSame(0, $this->artisan('kqueue:profile', ['--reset' => '\App\Jobs\A'])[0]);
        self::assertSame([['App\Jobs\B'], ['App\Jobs\D']], [array_keys($this->profile()->all()), array_keys($this->profile()->costs())]);
        self::assertStringContainsString('Forgot 2 classes', $this->artisan('kqueue:profile', ['--reset' => 'all'])[1]);
        self::assertSame([[], []], [$this->profile()->all(), $this->profile()->costs()]);
    }

    public function test_after_its_probation_a_class_is_tried_in_a_lane_again_and_the_next_one_is_longer(): void
    {
        Recorder::$onBoot[] = static fn ($app) => $app['config']->set('kqueue.auto.probation', 100.0);
        $this->app['config']->set('kqueue.auto.probation', 100.0);
        $isolate = fn (int $ago, int $times) => $this->app['cache.store']->forever(Profile::KEY, [TestJob::class => ['since' => time() - $ago, 'reason' => 'held the loop', 'times' => $times]]);

        $isolate(90, 1);
        $this->push(new TestJob('isolated'), new TestJob('slow'));
        Recorder::$handlers['isolated'] = static function () use ($isolate): void {
            $isolate(101, 1);
            self::$engine->notes['profile read'] = '';
        };
        $this->costs('slow', self::SLOW);
        $this->kqueue();

        self::assertCount(1, self::$engine->isolated, 'the first job; the second ran in a lane');
        self::assertMatchesRegularExpression('/TestJob has run isolated since [-0-9: ]{19} \(held the loop\); it is tried in a lane again\./', $this->log());
        self::assertSame(2, (new Profile($this->app['cache.store'], 100.0))->all()[TestJob::class]['times'], 'and held the loop again');

        $profile = new Profile($this->app['cache.store'], 100.0);
        $isolate(199, 2);
        self::assertCount(1, $profile->all(), 'twice as long');
        $isolate(201, 2);
        self::assertSame([[], [TestJob::class]], [$profile->all(), array_keys($profile->tried())]);
    }

    private function profile(): Profile
    {
        return new Profile($this->app['cache.store']);
    }

    private function push(object ...$jobs): void
    {
        foreach ($jobs as $job) {
            $this->app['queue']->connection('database')->push($job);
        }
    }

    /** @param  array<string, mixed>  $usage */
    private function costs(string $name, array $usage, ?callable $then = null): void
    {
        Recorder::$handlers[$name] = static function () use ($usage, $then): void {
            self::$engine->usage = $usage;

            if ($then !== null) {
                $then();
            }
        };
    }
}
