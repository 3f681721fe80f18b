<?php

declare(strict_types=1);

namespace KQueue\Support;

/** The monotonic clock: what it says is for comparing only. */
final class Clock
{
    /** Seconds. */
    public static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}
