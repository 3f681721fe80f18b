<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Contracts\Queue\Interruptible;

/** Only where Laravel knows such jobs. */
final class InterruptibleAct extends Act implements Interruptible
{
    public bool $interrupted = false;

    public function interrupted(int $signal): void
    {
        Trace::add('interrupted', $signal);
        $this->interrupted = true;
    }
}
