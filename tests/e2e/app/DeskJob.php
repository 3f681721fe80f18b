<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Closure;
use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Support\Facades\Log;

/** Remembers something, waits, and looks whether that is still there. */
final class DeskJob implements ShouldQueue
{
    use InteractsWithQueue, Queueable;

    public function __construct(public string $whose, public bool $waits = true) {}

    /** @return list<class-string|object> */
    public function middleware(): array
    {
        return [new class
        {
            public function handle(object $job, Closure $next): mixed
            {
                echo "for {$job->whose}\n";

                return $next($job);
            }
        }];
    }

    /** @return array{string|null, string|null} */
    public function handle(Desk $desk): array
    {
        $desk->whose = Desk::$static = $this->whose;
        // Without a wait of its own it is suspended where an event is fired.
        $this->waits ? usleep(20_000) : Log::info("working for {$this->whose}");

        return [$desk->whose, Desk::$static];
    }
}
