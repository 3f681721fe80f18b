<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;

/** A command without a handle method: the bus maps it to CommandHandler. */
final class Command implements ShouldQueue
{
    use InteractsWithQueue, Queueable, SerializesModels;

    public string $label = 'command';
}
