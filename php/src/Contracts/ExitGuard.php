<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * Survives exit().
 *
 * @internal
 */
interface ExitGuard
{
    /** Calls $callback, and passes through what it throws. @return bool false if it was ended by exit() */
    public function contain(callable $callback): bool;
}
