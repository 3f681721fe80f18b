<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Queue\Queueable;

/** Has what it needs injected, and __invoke() instead of handle(). */
final class SelfHandling implements ShouldQueue
{
    use Queueable;

    public string $label = 'invoked';

    public function __invoke(Recorder $recorder): void
    {
        $recorder::did('invoked with', $recorder);
    }
}
