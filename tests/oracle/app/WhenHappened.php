<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use RuntimeException;
use Throwable;

final class WhenHappened implements ShouldQueue
{
    use InteractsWithQueue;

    public int $tries = 2;

    public function viaQueue(Happened $event): string
    {
        return $event->queue;
    }

    public function shouldQueue(Happened $event): bool
    {
        return $event->how !== 'not queued';
    }

    public function handle(Happened $event): void
    {
        Recorder::did('listens', [$event->how, $this->attempts()]);

        match ($event->how) {
            'throws' => throw new RuntimeException('in a listener'),
            'releases' => $this->attempts() < 2 && $this->release(),
            'fails' => $this->fail('no'),
            default => null,
        };
    }

    public function failed(Happened $event, Throwable $e): void
    {
        Recorder::did('failed of the listener', $e);
    }
}
