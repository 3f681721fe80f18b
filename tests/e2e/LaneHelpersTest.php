<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Container\Container;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Http;
use KQueue\Testing\InteractsWithLanes;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Desk;
use KQueue\Tests\E2E\App\DeskJob;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\AssertionFailedError;
use PHPUnit\Framework\Attributes\TestWith;
use RuntimeException;

/** What KQueue offers to the tests of applications: it runs their jobs at once, and finds leaks that are there. */
final class LaneHelpersTest extends TestCase
{
    use InteractsWithLanes {
        createLaneApplication as applicationForLanes;
    }

    private bool $desk = false;

    public function test_jobs_run_at_once_each_in_an_application_of_its_own(): void
    {
        Desk::$static = 'of the test';
        $begin = microtime(true);
        $results = $this->runInLanes(array_map(static fn () => new Act('sleep', 0.5), range(1, 10)), observe: static fn (Application $app): array => [getmypid(), spl_object_id($app), Desk::$static]);

        self::assertLessThan(4.0, microtime(true) - $begin);
        self::assertCount(10, array_map(static fn ($result) => $result->assertSuccessful(), $results));
        self::assertCount(10, array_unique(array_column(array_column($results, 'observed'), 1)));
        self::assertSame([getmypid()], array_values(array_unique(array_column(array_column($results, 'observed'), 0))));
        self::assertSame([null], array_values(array_unique(array_column(array_column($results, 'observed'), 2))));
        self::assertSame('of the test', Desk::$static);
        self::assertSame($this->app, Container::getInstance());
        Desk::$static = null;
    }

    public function test_results(): void
    {
        $results = $this->runInLanes([
            'desk' => new DeskJob('Ada'),
            'closure' => static fn (Desk $desk): string => $desk::class,
            'throws' => new Act('throws', 'no luck'),
            'exits' => new Act('exits'),
            'odd' => static fn () => fopen('php://memory', 'r'),
        ]);

        $results['desk']->assertReturned(['Ada', 'Ada']);
        self::assertSame("for Ada\n", $results['desk']->output);
        $results['closure']->assertReturned(Desk::class);
        $results['throws']->assertFailed('RuntimeException: no luck');
        $results['exits']->assertFailed('exit()');
        self::assertSame(['desk', 'closure', 'throws', 'exits', 'odd'], array_keys($results));
    }

    public function test_fakes_and_tables_are_made_in_each_lane(): void
    {
        $this->runInLanes(
            [static fn () => [Http::get('https://example.com')->body(), DB::connection('memory')->table('t')->count()]],
            static function (Application $app): void {
                Http::fake(['*' => Http::response('faked')]);
                $app['config']->set('database.connections.memory', ['driver' => 'sqlite', 'database' => ':memory:']);
                DB::connection('memory')->statement('create table t (x int)');
            },
        )[0]->assertReturned(['faked', 0]);
    }

    #[TestWith([true])]
    #[TestWith([false])]
    public function test_no_leak_is_found_where_none_is(bool $waits): void
    {
        $results = $this->assertNoLeaks([new DeskJob('Ada', $waits), new DeskJob('Bob', $waits), new DeskJob('Cyd', $waits)], $this->withDesk(...));

        self::assertSame([['Ada', 'Ada'], ['Bob', 'Bob'], ['Cyd', 'Cyd']], array_column($results, 'result'));
    }

    /** A class that the configuration says is shared, and that jobs change after all. */
    #[TestWith([true])]
    #[TestWith([false])]
    public function test_a_leak_through_a_shared_object_is_found(bool $waits): void
    {
        $this->desk = true;
        $this->assertNoLeaks([new DeskJob('Ada', $waits), new DeskJob('Bob', $waits)]);

        $this->app['config']->set('kqueue.shared', [Desk::class]);
        $leaks = $this->leaks([new DeskJob('Ada', $waits), new DeskJob('Bob', $waits)]);

        self::assertStringContainsString('a job changed '.Desk::class.'::$whose from null to "', $leaks);
        self::assertMatchesRegularExpression('/DeskJob \[\d\] returned \["(Ada|Bob)","(Ada|Bob)"\] beside the others, and \["(Ada|Bob)","\2"\] alone/', $leaks);
    }

    /** A file is nobody's lane. */
    public function test_a_leak_through_a_file_is_found(): void
    {
        $file = "{$this->folder}/tenant";
        $job = static fn (string $whose) => static function () use ($file, $whose): string {
            file_put_contents($file, $whose);
            usleep(20_000);

            return file_get_contents($file);
        };

        self::assertMatchesRegularExpression(
            '/a closure \[(a\] returned "Bob" beside the others, and "Ada"|b\] returned "Ada" beside the others, and "Bob") alone/',
            $this->leaks(['a' => $job('Ada'), 'b' => $job('Bob')]),
        );
    }

    public function test_a_leak_of_the_process_is_found(): void
    {
        $limit = ini_set('memory_limit', '2G');

        try {
            self::assertStringContainsString('a job changed the memory limit from "2G" to "3G"', $this->leaks([static fn () => ini_set('memory_limit', '3G')]));
        } finally {
            ini_set('memory_limit', $limit);
        }
    }

    public function test_what_a_job_throws_prints_or_shows_only_beside_others_is_found(): void
    {
        $file = "{$this->folder}/first";
        $job = static fn (): \Closure => static function () use ($file): void {
            $first = ! is_file($file);
            touch($file);
            usleep(50_000);
            @unlink($file);
            $first || throw new RuntimeException('another one is here');
        };

        self::assertStringContainsString('threw "RuntimeException: another one is here', $this->leaks([$job(), $job()]));
        self::assertStringContainsString('was observed as 2 beside the others, and 1 alone', $this->leaks(
            [static fn () => null, static fn () => null],
            observe: static function () use ($file): int {
                file_put_contents($file, '.', FILE_APPEND);
                usleep(50_000);
                $count = strlen((string) @file_get_contents($file));
                usleep(50_000);
                @unlink($file);

                return max(1, $count);
            },
        ));
    }

    public function test_a_job_that_never_ends_ends(): void
    {
        $this->laneTimeout = 0.5;
        $this->runInLanes([new Act('longSleep', 60), new Act('nothing')])[0]->assertFailed('Act has timed out');
    }

    protected function createLaneApplication(): Application
    {
        $app = $this->applicationForLanes();
        $this->desk && $app->instance(Desk::class, new Desk);

        return $app;
    }

    private function withDesk(Application $app): void
    {
        $app->singleton(Desk::class);
    }

    /** @param  array<array-key, object>  $jobs */
    private function leaks(array $jobs, ?\Closure $observe = null): string
    {
        try {
            $this->assertNoLeaks($jobs, observe: $observe);
        } catch (AssertionFailedError $e) {
            return $e->getMessage();
        }

        self::fail('No leak was found.');
    }
}
