<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use Illuminate\Contracts\Queue\ShouldQueue;

final class IsolatedListener implements ShouldQueue
{
    public bool $isolated = true;

    public function handle(object $event): void
    {
        Recorder::ran('listener');
    }
}
