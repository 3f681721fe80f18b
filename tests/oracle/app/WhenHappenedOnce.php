<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldBeUnique;
use Illuminate\Contracts\Queue\ShouldQueue;

final class WhenHappenedOnce implements ShouldBeUnique, ShouldQueue
{
    public function viaQueue(Happened $event): string
    {
        return $event->queue;
    }

    public function uniqueId(Happened $event): string
    {
        return $event->queue;
    }

    public function shouldQueue(Happened $event): bool
    {
        return $event->how === 'once';
    }

    public function handle(Happened $event): void
    {
        Recorder::did('listens once');
    }
}
