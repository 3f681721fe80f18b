<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * Standard output, for whole lines.
 *
 * @internal
 */
interface LineWriter
{
    /** Lines of several lanes MUST NOT mix, and a slow reader MUST NOT make lanes wait. */
    public function write(string $lines): void;
}
