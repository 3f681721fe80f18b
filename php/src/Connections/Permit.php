<?php

declare(strict_types=1);

namespace KQueue\Connections;

use KQueue\Contracts\Permits;

/** The right to have one connection; given back with this object. */
final class Permit
{
    public function __construct(private readonly Permits $pool, private readonly int $number) {}

    public function __destruct()
    {
        $this->pool->release($this->number);
    }
}
