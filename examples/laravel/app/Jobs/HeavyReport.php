<?php

namespace App\Jobs;

use KQueue\KQueueJob;

/** Computes for about a second. It would keep the jobs beside it waiting, so it has a process of its own. */
class HeavyReport extends KQueueJob
{
    public ?bool $isolated = true;

    public ?int $maxMemory = 128;

    public function __construct(public float $seconds = 1.0) {}

    public function handle(): void
    {
        for ($hash = '', $end = microtime(true) + $this->seconds; microtime(true) < $end;) {
            $hash = hash('sha256', $hash);
        }
    }
}
