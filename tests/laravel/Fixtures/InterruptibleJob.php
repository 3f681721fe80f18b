<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use Illuminate\Contracts\Queue\Interruptible;

/** Only where Laravel knows such jobs. */
final class InterruptibleJob extends TestJob implements Interruptible
{
    public function interrupted(int $signal): void
    {
        Recorder::ran("{$this->name} interrupted by {$signal}");
    }
}
