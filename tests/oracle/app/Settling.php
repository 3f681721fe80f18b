<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Closure;

/** Job middleware that settles the job itself. */
final class Settling
{
    public function __construct(private readonly string $how) {}

    public function handle(Job $job, Closure $next): mixed
    {
        Recorder::did('middleware', $this->how);

        return match ($this->how) {
            'swallows' => null,
            'releases' => $job->attempts() < 2 ? $job->release() : $next($job),
            'releases for long' => $job->release(200),
            'deletes' => $job->delete(),
            'fails' => $job->fail('by a middleware'),
            'throws' => throw new \RuntimeException('in a middleware'),
            default => $next($job),
        };
    }
}
