<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use KQueue\KQueueJob;

final class PlainKQueueJob extends KQueueJob
{
    public function handle(): void
    {
        Recorder::ran('kqueue job');
    }
}
