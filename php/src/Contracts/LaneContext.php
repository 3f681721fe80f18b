<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * What the engine is to the lane that calls it: its place in the line, its job, and what it shares with other lanes. MUST be called in
 * a lane only; settling() has no effect elsewhere.
 *
 * @internal
 */
interface LaneContext extends ExitGuard, Permits, RunState, SharedNotes
{
    /**
     * Waits until the lane leads (true), or is to end (false). Null: it has waited for $patience seconds, or others want what it has; it
     * is to close what it does not need, and to ask again.
     */
    public function lead(?float $patience = null): ?bool;

    /** In the leader: keeps the lead and waits for $seconds, or less if anything has happened. */
    public function idle(float $seconds): void;

    /** In the leader: whether it must take no job now, for want of descriptors; in other lanes, whether it should keep nothing open. */
    public function isShort(): bool;

    /**
     * In the leader: it has this job, which is in flight until finished(). The lead MUST pass on.
     *
     * @param  array{id: string, class: string, connection: string, queue: string, attempts?: int, timeout?: float|null, memory?: int, onSignal?: callable(int): void|null}  $job
     */
    public function reserved(array $job): void;

    /**
     * The job begins in this lane.
     *
     * @param  float|null  $timeout  seconds after which an exception MUST be thrown into the lane
     * @param  (callable(int): void)|null  $onSignal  called for a signal to stop; MUST NOT throw
     * @param  int  $memory  MB, or 0
     */
    public function begin(?float $timeout, ?callable $onSignal, int $memory): void;

    /** The lane settles its job from now on, for which descriptors are kept back; or it does so no more. */
    public function settling(bool $begins): void;

    /** The job has ended, in whatever way. */
    public function finished(): void;

    /** Whether the timeout of the lane's job was thrown into it. MAY be true only the first time it is asked. */
    public function timedOut(): bool;

    /** @return array{wall: float, cpu: float, slices: int, longest_slice: float, longest_cpu: float, memory: int, where: list<string>, effects: string, refused: string} of the lane's last job */
    public function usage(): array;
}
