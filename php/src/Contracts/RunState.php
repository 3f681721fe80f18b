<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * The run as a whole, which all of its lanes share. After it, the getters MUST tell of the run that has ended.
 *
 * @internal
 */
interface RunState
{
    /** No job is reserved from now on. The status and reason of the first call MUST stay. */
    public function stop(int $status, string $reason): void;

    public function isStopping(): bool;

    /** Whether no job is to be reserved until the run is resumed. */
    public function isPaused(): bool;

    /** The status of the first stop(), or 0. */
    public function exitStatus(): int;

    /** The reason of the first stop(); null if there was none. */
    public function stopReason(): ?string;

    /** How many jobs were reserved and have not ended. */
    public function jobsInFlight(): int;

    /** How many jobs were reserved, also by runners of this run that are gone. */
    public function jobsReserved(): int;

    /** Seconds since a job ended last; null if none has. */
    public function sinceLastFinished(): ?float;
}
