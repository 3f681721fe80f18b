<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * What the runner asks of the engine: to make the template, and to run lanes.
 *
 * @internal
 */
interface LaneRun
{
    /**
     * Makes what lanes are copied from. MUST NOT change the process. Lanes MUST be booted if `refused` is not empty.
     *
     * @param  (callable(): mixed)|null  $boot  null: the process as it is now is the template
     * @param  list<class-string>  $shared
     * @return array{objects: int, closures: int, arrays: int, shared_arrays: int, bytes: int, seconds: float, refused: list<string>, destructors: list<string>}
     */
    public function template(?callable $boot, array $shared): array;

    /** Whether there is a template: lanes may be copied from it. */
    public function hasTemplate(): bool;

    /**
     * Calls $lane in up to $concurrency lanes at once until the run is over. A lane that returns MUST be replaced while the run goes on.
     *
     * @param  callable(): void  $lane  MUST NOT hold objects that a lane must have for itself
     * @param  (callable(int): void)|null  $onSignal  MUST NOT throw
     * @param  (callable('info'|'warning'|'error', string): void)|null  $onMessage  MUST NOT throw
     */
    public function run(callable $lane, int $concurrency, bool $cloned, ?callable $onSignal = null, ?callable $onMessage = null): void;
}
