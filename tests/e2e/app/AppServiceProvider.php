<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerPausing;
use Illuminate\Queue\Worker;
use Illuminate\Support\Facades\RateLimiter;
use Illuminate\Support\ServiceProvider;

final class AppServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        foreach (json_decode(getenv('KQUEUE_TEST_CONFIG') ?: '[]', true) as $key => $value) {
            $this->app['config']->set($key, $value);
        }

        ImmediateConnection::installIfNeeded();

        $this->callAfterResolving('queue', static fn ($queues) => $queues->addConnector('file', static fn () => new FileConnector));

        if (getenv('KQUEUE_TEST_HORIZON')) {
            $this->app->register('Laravel\Horizon\HorizonServiceProvider');
        }

        // What some package may do: lanes cannot be copied then.
        if (getenv('KQUEUE_TEST_UNCOPYABLE')) {
            $this->app->instance('uncopyable', fopen('php://memory', 'r'));
        }
    }

    public function boot(): void
    {
        if (getenv('KQUEUE_TEST_HORIZON')) {
            HorizonRecorder::listen($this->app['events']);
        }

        if (getenv('KQUEUE_TEST_LIFE')) {
            Life::listen($this->app);
        }

        if (getenv('KQUEUE_TEST_EVENTS')) {
            $this->app['events']->listen('Illuminate\Queue\Events\*', static function (string $name, array $events): void {
                Trace::add('event', [class_basename($name), isset($events[0]->job) ? $events[0]->job?->uuid() : null]);
            });
        }

        if (getenv('KQUEUE_TEST_OPEN_CONNECTION')) {
            $this->app['db']->select('select 1');
        }

        // What providers do: a record in the log opens its file, a disk holds a finfo.
        if (getenv('KQUEUE_TEST_BOOT_LOGS')) {
            $this->app['log']->warning('while booting');
            $this->app->instance('disk', $this->app['filesystem']->build(['driver' => 'local', 'root' => __DIR__]));
            $this->app['disk']->mimeType('AppServiceProvider.php');
        }

        if (getenv('KQUEUE_TEST_POP_LAST')) {
            Worker::popUsing('backwards', static fn (callable $pop) => $pop('low') ?? $pop('high'));
        }

        if ($veto = getenv('KQUEUE_TEST_VETO')) {
            $this->app['events']->listen(Looping::class, static fn () => is_file($veto) ? false : null);
        }

        // So often the process falls as it is told to pause: the runner's own application is, while no lane runs.
        if ($times = (int) getenv('KQUEUE_TEST_FALLS')) {
            $this->app['events']->listen(WorkerPausing::class, static function () use ($times): void {
                Trace::add('falls');
                count(Trace::all('falls')) > $times || posix_kill(getmypid(), SIGSEGV);
            });
        }

        if ($class = getenv('KQUEUE_TEST_RESOLVED')) {
            $this->app->make($class);
        }

        if (getenv('KQUEUE_TEST_ONCE')) {
            require_once __DIR__.'/once/macros.php';
        }

        if (getenv('KQUEUE_TEST_MIXED')) {
            require_once __DIR__.'/once/mixed.php';
        }

        if (getenv('KQUEUE_TEST_TENANCY')) {
            Tenant::listen($this->app);
        }

        RateLimiter::for('two', static fn () => Limit::perMinute(2));
    }
}
