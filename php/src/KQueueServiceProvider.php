<?php

declare(strict_types=1);

namespace KQueue;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Queue;
use Illuminate\Queue\Worker;
use Illuminate\Support\ServiceProvider;
use KQueue\Console\ProfileCommand;
use KQueue\Console\RunCommand;
use KQueue\Engine\NativeEngine;
use KQueue\Output\RunConsole;
use KQueue\Support\Config;
use KQueue\Worker\AsQueueWork;
use ReflectionClass;

/** Config, the command, the driver for Laravel's Concurrency, and what KQueue adds to the payload of jobs that say how they should be run. */
final class KQueueServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->mergeConfigFrom(Config::FILE, 'kqueue');

        if ($this->app->runningInConsole()) {
            AsQueueWork::introduce($this->app);
        }

        $this->app->singletonIf(Contracts\Engine::class, NativeEngine::class);

        $this->app->extend('queue.worker', static fn (Worker $worker, Application $app): Worker => $app->make('config')->get('kqueue.worker')
            ? InProcess\Worker::in($app, $worker)
            : $worker);

        $this->app->singleton(
            RunCommand::class,
            static fn ($app) => new RunCommand($app['queue.worker'], $app['cache.store'], $app[Contracts\Engine::class]),
        );
        $this->app->alias(RunCommand::class, RunConsole::class);
    }

    public function boot(): void
    {
        Queue::createPayloadUsing(static fn (?string $connection, ?string $queue, array $payload): array => self::payloadOf($payload));

        // Since Laravel 11. Laravel binds the closure to the manager, so it cannot be static.
        $this->callAfterResolving('Illuminate\Concurrency\ConcurrencyManager', static function (object $manager): void {
            $manager->extend('kqueue', fn () => new Concurrency\ConcurrencyDriver);
        });

        if ($this->app->runningInConsole()) {
            $this->publishes([Config::FILE => $this->app->configPath('kqueue.php')], 'kqueue-config');
            $this->commands([RunCommand::class, ProfileCommand::class]);
        }
    }

    /**
     * The values of the very job that is being dispatched; the class's defaults need not be in the payload.
     *
     * @param  array<string, mixed>  $payload
     * @return array{kqueue?: array{isolated?: bool, fresh?: bool, maxMemory?: int, priority?: int}}
     */
    private static function payloadOf(array $payload): array
    {
        $job = $payload['data']['commandName'] ?? null;

        if (! is_object($job)) {
            return [];
        }

        $values = array_filter([
            'isolated' => is_bool($job->isolated ?? null) ? $job->isolated : null,
            'fresh' => self::freshOf($job),
            'maxMemory' => is_int($job->maxMemory ?? null) ? $job->maxMemory : null,
            'priority' => is_int($job->priority ?? null) && $job->priority !== 0 ? $job->priority : null,
        ], static fn (mixed $value): bool => $value !== null);

        return $values === [] ? [] : ['kqueue' => $values];
    }

    /** False only where the class says true: most jobs have it as false, and their payloads need not say so. */
    private static function freshOf(object $job): ?bool
    {
        $fresh = $job->fresh ?? null;

        return $fresh === true || ($fresh === false && ((new ReflectionClass($job))->getDefaultProperties()['fresh'] ?? null) === true) ? $fresh : null;
    }
}
