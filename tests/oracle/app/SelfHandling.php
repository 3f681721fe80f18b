<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;

/** Has what it needs injected, and __invoke() instead of handle(). */
final class SelfHandling implements ShouldQueue
{
    use InteractsWithQueue, Queueable, SerializesModels;

    public string $label = 'invoked';

    public function __invoke(Recorder $recorder): void
    {
        $recorder::did('invoked with', $recorder);
    }
}
