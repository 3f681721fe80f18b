<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Foundation\Application;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\TestCase;

/** What people meet first. */
final class ExamplesTest extends TestCase
{
    public function test_the_plain_demo_keeps_its_timeline(): void
    {
        $run = new Process([getenv('KQUEUE_PHP_BINARY') ?: PHP_BINARY, dirname(__DIR__, 2).'/examples/demo.php'], []);

        self::assertSame(0, $run->wait(60), $run->output());
        self::assertStringEndsWith("demo: all checks passed\n", $run->output());
        self::assertMatchesRegularExpression('/memory [\d.]+ MB, \d+ running, \d+ finished, 1 failed/', $run->output());
    }

    public function test_the_laravel_demo_runs_every_kind_of_job(): void
    {
        if (! method_exists(Application::class, 'configure')) {
            self::markTestSkipped('The example is an application of Laravel 11 or newer.');
        }

        // The application under test must not find the caches of this suite's own.
        $without = [];
        foreach (['packages', 'services', 'config', 'routes', 'events'] as $cache) {
            array_push($without, '-u', 'APP_'.strtoupper($cache).'_CACHE');
        }
        $demo = dirname(__DIR__, 2).'/examples/laravel/demo.sh';
        $run = new Process(['env', ...$without, 'sh', $demo, '--quiet'], ['PHP' => getenv('KQUEUE_PHP_BINARY') ?: PHP_BINARY, 'JOBS' => '60']);

        self::assertSame(0, $run->wait(120), $run->output());
        self::assertMatchesRegularExpression('/0 jobs are left on the queue/', $run->output());
        self::assertMatchesRegularExpression('/From the start of kqueue:run to the end of the last job: [\d.]+ s/', $run->output());
        self::assertMatchesRegularExpression('/\| CrashJob +\| (\d+) +\| 0 +\| 0 +\| \1 +\|/', $run->output());
    }
}
