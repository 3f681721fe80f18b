<?php

namespace App\Jobs;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Queue\Queueable;
use RuntimeException;

/** Fails twice and succeeds at the third attempt. An ordinary Laravel job. */
class FlakyJob implements ShouldQueue
{
    use Queueable;

    public int $tries = 3;

    /** @var list<int> */
    public array $backoff = [0, 1];

    public function handle(): void
    {
        if ($this->attempts() < 3) {
            throw new RuntimeException("Attempt {$this->attempts()} failed, as it should.");
        }
    }
}
