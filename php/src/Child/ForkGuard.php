<?php

declare(strict_types=1);

namespace KQueue\Child;

use Closure;
use Illuminate\Bus\Dispatcher;
use Illuminate\Contracts\Bus\Dispatcher as DispatcherContract;
use Illuminate\Contracts\Foundation\Application;
use KQueue\Contracts\ExitGuard;

/**
 * A process that a job forks ends where handle() ends, however that ends. What Laravel does after it (the next job of a chain, a
 * batch's count, the job's deletion or release) is for the job's own process, and would otherwise be done by both.
 */
final class ForkGuard
{
    private function __construct(private readonly ExitGuard $exits) {}

    /** The innermost of the pipes that commands are dispatched through. Other dispatchers than Laravel's have none. */
    public static function install(Application $app, ExitGuard $exits): bool
    {
        $bus = $app->make(DispatcherContract::class);

        if ($bus instanceof Dispatcher) {
            $guard = new self($exits);

            Closure::bind(static fn () => $bus->pipes[] = $guard, null, Dispatcher::class)();
        }

        return true;
    }

    public function handle(mixed $command, Closure $next): mixed
    {
        $result = null;

        $returned = $this->exits->contain(static function () use ($command, $next, &$result): void {
            $result = $next($command);
        });

        // Again: what the job called exit() for is to end here too.
        return $returned ? $result : exit;
    }
}
