<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Broadcasting\BroadcastManager;
use Illuminate\Bus\Dispatcher;
use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Mail\Events\MessageSent;
use Illuminate\Queue\Events\JobPopping;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\JobQueued;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Queue\Queue;
use Illuminate\Support\Facades\RateLimiter;
use Illuminate\Support\ServiceProvider;
use Illuminate\Support\Str;
use Throwable;

/** Makes of the application of tests/e2e one that records what happens, and whose every store can be looked into. */
final class OracleProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->singleton(Recorder::class);
        $this->app->singleton('single', static fn (): object => (object) ['value' => 0]);
        $this->app->scoped('scoped', static fn (): object => (object) ['value' => 0]);

        $config = $this->app['config'];
        $redis = getenv('KQUEUE_TEST_CONNECTION') === 'redis';

        $config->set('database.redis.default.database', (int) getenv('ORACLE_REDIS_DATABASE'));
        $config->set('cache', [
            'default' => $redis ? 'redis' : 'database',
            'prefix' => '',
            'stores' => [
                'redis' => ['driver' => 'redis', 'connection' => 'default', 'lock_connection' => 'default'],
                'database' => ['driver' => 'database', 'connection' => 'sqlite', 'table' => 'cache', 'lock_table' => 'cache_locks'],
            ],
        ]);
        $config->set('mail', ['default' => 'array', 'mailers' => ['array' => ['transport' => 'array']], 'from' => ['address' => 'a@example.com', 'name' => 'a']]);
        $config->set('broadcasting', ['default' => 'oracle', 'connections' => ['oracle' => ['driver' => 'oracle']]]);

        foreach (json_decode(getenv('ORACLE_CONFIG') ?: '{}', true) as $key => $value) {
            $config->set($key, $value);
        }
    }

    public function boot(): void
    {
        // Before the wildcard's, which come last: what other listeners do belongs to the right job, or to none.
        $this->app['events']->listen(JobProcessing::class, static fn (JobProcessing $event) => Recorder::here()->begins($event->job));
        $this->app['events']->listen([Looping::class, JobPopping::class, WorkerStopping::class], static fn () => Recorder::here()->ends());
        $this->app['events']->listen('Illuminate\Queue\Events\*', static fn (string $name, array $events) => Recorder::here()->event($events[0]));

        $this->app->make(ExceptionHandler::class)->reportable(static fn (Throwable $e) => Recorder::reported($e))->stop();

        Queue::createPayloadUsing(static fn (?string $connection, ?string $queue, array $payload): array => array_filter([
            'label' => is_object($payload['data']['command'] ?? null) ? $payload['data']['command']->label ?? null : null,
            // Where the event does not tell.
            'queue' => property_exists(JobQueued::class, 'queue') ? null : Str::after((string) $queue, 'queues:'),
        ]));

        $this->app['events']->listen(Happened::class, WhenHappened::class);
        $this->app['events']->listen(Happened::class, WhenHappenedOnce::class);
        $this->app['events']->listen(MessageSent::class, static fn (MessageSent $sent) => Recorder::did('mails', [
            $sent->message->getSubject(), $sent->message->getTo()[0]->getAddress(), $sent->message->getHtmlBody() === null ? 'no text' : 'a text',
        ]));
        $this->app->make(BroadcastManager::class)->extend('oracle', static fn (): Broadcaster => new Broadcaster);
        $this->app->make(Dispatcher::class)->map([Command::class => CommandHandler::class]);

        RateLimiter::for('one', static fn (Job $job): Limit => Limit::perHour(1)->by($job->queue));
        RateLimiter::for('many', static fn (Job $job): Limit => Limit::perHour(1000)->by($job->queue));
        RateLimiter::for('unlimited', static fn (): Limit => Limit::none());

        Wiring::boot($this->app);
    }
}
