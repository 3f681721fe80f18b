<?php

namespace App\Jobs;

use KQueue\KQueueJob;

/** Takes its process down. Isolated, that is a failed job like any other; queue:work would die of it. */
class CrashJob extends KQueueJob
{
    public ?bool $isolated = true;

    public int $tries = 1;

    public function __construct(public int $signal = SIGSEGV) {}

    public function handle(): void
    {
        posix_kill(getmypid(), $this->signal);
        sleep(1);
    }
}
