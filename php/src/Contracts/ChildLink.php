<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * In an isolated child, and in fresh(): the way to the lane that owns the job.
 *
 * @internal
 */
interface ChildLink extends ExitGuard
{
    /** Waits for the lane's answer. */
    public function ask(string $question): string;
}
