<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;

/** As packages for tenants do it: the tenant of a job's payload is the current one from JobProcessing to JobProcessed. */
final class Tenant
{
    public static ?string $current = null;

    public function __construct(public string $name) {}

    public static function listen(Application $app): void
    {
        $app['queue']->createPayloadUsing(static fn (): array => ['tenant' => self::$current]);
        $app['events']->listen(JobProcessing::class, static function (JobProcessing $event) use ($app): void {
            self::make($app, $event->job->payload()['tenant'] ?? null);
        });
        $app['events']->listen([JobProcessed::class, JobExceptionOccurred::class], static function () use ($app): void {
            self::make($app, null);
        });
    }

    public static function make(Application $app, ?string $name): void
    {
        self::$current = $name;
        config(['app.tenant' => $name]);
        $name === null ? $app->forgetInstance(self::class) : $app->instance(self::class, new self($name));
    }
}
