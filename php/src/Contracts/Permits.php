<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * Counting semaphores that the lanes of a run share, by name. What a lane has MUST be free when it ends.
 *
 * @internal
 */
interface Permits
{
    /** Waits until the lane may have one of $limit permits of this name. @return int for release() */
    public function permit(string $name, int $limit): int;

    /** MUST ignore what is no permit, or no longer. */
    public function release(int $permit): void;

    /** @return list<string> names of permits that the lane has and others wait for */
    public function wanted(): array;
}
