<?php

namespace App\Jobs;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Queue\Queueable;

/** Waits, as a job does that asks some slow service. An ordinary Laravel job. */
class WaitJob implements ShouldQueue
{
    use Queueable;

    public function __construct(public int $seconds) {}

    public function handle(): void
    {
        sleep($this->seconds);
    }
}
