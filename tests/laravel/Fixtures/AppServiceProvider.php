<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use Illuminate\Support\ServiceProvider;

final class AppServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        $this->app['events']->listen('Illuminate\Queue\Events\*', static function (string $name, array $events): void {
            Recorder::$events[] = class_basename($name);
            Recorder::$payloads[] = $events[0];
        });

        foreach (Recorder::$onBoot as $callback) {
            $callback($this->app);
        }
    }
}
