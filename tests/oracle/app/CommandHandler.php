<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Queue\InteractsWithQueue;

final class CommandHandler
{
    use InteractsWithQueue;

    public function handle(Command $command): void
    {
        Recorder::did('handles the command', $this->attempts());
    }
}
