<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\Interruptible;

/** Only where Laravel knows such jobs. */
final class InterruptibleJob extends Job implements Interruptible
{
    public bool $interrupted = false;

    public function interrupted(int $signal): void
    {
        Recorder::did('interrupted()', $signal);
        $this->interrupted = true;
    }
}
