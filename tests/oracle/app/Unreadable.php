<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

/** Its jobs cannot be unserialized. */
final class Unreadable extends Job
{
    public function __wakeup(): void
    {
        throw new \RuntimeException('cannot be read');
    }
}
