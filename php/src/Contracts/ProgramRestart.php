<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * Starts the program anew in its process. An engine that lives in somebody else's program does not have this.
 *
 * @internal
 */
interface ProgramRestart
{
    /** Whether this process is a program of its own that was started with this argument, after its script. */
    public function startedWith(string $argument): bool;

    /** MUST NOT return: what it cannot do it throws. The file $prepend runs before the program's script. */
    public function restart(string $prepend): void;
}
