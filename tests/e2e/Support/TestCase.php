<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\Support;

use Illuminate\Container\Container;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Foundation\Application;
use Illuminate\Queue\Queue;
use Illuminate\Support\Facades\Facade;
use KQueue\Tests\E2E\App\Trace;
use PHPUnit\Framework\TestCase as BaseTestCase;

/** Queues jobs in this process and runs them with artisan in others, on an SQLite file and, if asked, a Redis. */
abstract class TestCase extends BaseTestCase
{
    protected Application $app;

    protected string $folder;

    /** @var array{callable|null, callable|null} */
    private array $handlers;

    protected function setUp(): void
    {
        $this->handlers = [set_error_handler(null), set_exception_handler(null)];
        $this->folder = sys_get_temp_dir().'/kqueue-e2e-'.getmypid().'-'.bin2hex(random_bytes(4));
        mkdir($this->folder.'/framework/views', recursive: true);
        putenv("KQUEUE_TEST_FOLDER={$this->folder}");

        foreach (['packages', 'services', 'config', 'routes', 'events'] as $cache) {
            $name = 'APP_'.strtoupper($cache).'_CACHE';
            $_ENV[$name] = $_SERVER[$name] = "{$this->folder}/{$cache}.php";
            putenv("{$name}={$this->folder}/{$cache}.php");
        }

        touch("{$this->folder}/e2e.sqlite");
        $this->use('database');
        Tables::create($this->app['db']->getSchemaBuilder());
    }

    protected function tearDown(): void
    {
        $this->app->flush();
        Container::setInstance(null);
        Facade::setFacadeApplication(null);

        for ($i = 0; $i < 10; $i++) {
            restore_error_handler();
            restore_exception_handler();
        }

        set_error_handler($this->handlers[0]);
        set_exception_handler($this->handlers[1]);

        if ($this->status()->isFailure() || $this->status()->isError()) {
            fwrite(STDERR, "\nKept for a look: {$this->folder}\n");
        } else {
            exec('rm -rf '.escapeshellarg($this->folder));
        }
    }

    /** Boots the application with this queue connection as the default. */
    protected function use(string $connection, ?int $redisPort = null): void
    {
        if ($connection === 'redis') {
            putenv('KQUEUE_TEST_REDIS_PORT='.($redisPort ?? RedisServer::port()));
        }

        putenv("KQUEUE_TEST_CONNECTION={$connection}");
        Queue::createPayloadUsing(null);
        $this->app = require dirname(__DIR__).'/app/bootstrap/app.php';
        $this->app->make(Kernel::class)->bootstrap();

        if ($connection === 'redis') {
            $this->app['redis']->connection()->flushdb();
        }
    }

    protected function push(object ...$jobs): void
    {
        foreach ($jobs as $job) {
            dispatch($job);
        }
    }

    /**
     * @param  list<string>  $arguments
     * @param  array<string, string>  $environment
     */
    protected function start(string $command, array $arguments = [], array $environment = []): Process
    {
        return new Process([getenv('KQUEUE_PHP_BINARY') ?: PHP_BINARY, dirname(__DIR__).'/app/artisan', $command, ...$arguments, '--no-ansi'], $environment);
    }

    /**
     * Runs a PHP file of the application's folder.
     *
     * @param  list<string>  $arguments
     * @param  array<string, string>  $environment
     */
    protected function script(string $file, array $arguments = [], array $environment = []): Process
    {
        return new Process([getenv('KQUEUE_PHP_BINARY') ?: PHP_BINARY, dirname(__DIR__)."/app/{$file}", ...$arguments], $environment);
    }

    /**
     * Runs what is queued until nothing is left.
     *
     * @param  list<string>  $arguments
     * @param  array<string, string>  $environment
     */
    protected function kqueue(array $arguments = [], array $environment = [], float $seconds = 60.0): Process
    {
        $process = $this->start('kqueue:run', ['--stop-when-empty', '--sleep=0.05', ...$arguments], $environment);
        $process->wait($seconds);

        return $process;
    }

    /** @return list<string> the first lines of the exceptions in failed_jobs */
    protected function failures(): array
    {
        return $this->app['db']->table('failed_jobs')->orderBy('id')->pluck('exception')
            ->map(static fn (string $exception): string => strtok($exception, "\n"))->all();
    }

    protected function log(): string
    {
        return (string) @file_get_contents($this->folder.'/laravel.log');
    }

    protected function waitFor(callable $condition, string $what, float $seconds = 30.0): void
    {
        for ($end = microtime(true) + $seconds; ! $condition(); usleep(20_000)) {
            if (microtime(true) > $end) {
                self::fail("Waited {$seconds} s in vain for: {$what}".Process::outputs()."\n--- laravel.log:\n".substr($this->log(), -4000));
            }
        }
    }

    protected function waitForStarts(int $count): void
    {
        $this->waitFor(static fn (): bool => count(Trace::all('start')) >= $count, "{$count} jobs to start");
    }

    /** A measurement for whoever reads the output; nothing is asserted on it but generous bounds. */
    protected function report(string $line): void
    {
        fwrite(STDERR, "\n  {$line}\n");
    }
}
