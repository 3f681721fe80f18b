<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Queue\Queueable;

/** A command without a handle method: the bus maps it to CommandHandler. */
final class Command implements ShouldQueue
{
    use Queueable;

    public string $label = 'command';
}
