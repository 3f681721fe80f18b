<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * What the command asks of the engine: to become the master of a run.
 *
 * @internal
 */
interface Supervisor
{
    /** Whether the extension is there. Nothing else MUST be called if it is not. */
    public function available(): bool;

    /** How many processors this process may use at once; at least 1. */
    public function cores(): int;

    /**
     * Runs $runner, again if its process dies, and $child for each request of isolate(). MUST return only when the run is over, with what
     * $runner returned last.
     *
     * @param  array{isolated?: int, memory_limit?: int, grace?: float, child_jobs?: int, flush?: float}  $options
     * @param  callable(): int  $runner
     * @param  callable(string): string  $child  an empty request: there will be no other
     * @param  callable(array{id: string, class: string, connection: string, queue: string, attempts: int, cause: string|null, guilty: bool, timed_out: bool, ended: bool, error: string|null}): void  $rescue
     */
    public function supervise(array $options, callable $runner, callable $child, callable $rescue): int;
}
