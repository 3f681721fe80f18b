<?php

declare(strict_types=1);

namespace KQueue\Database;

use KQueue\Contracts\Engine;

/** The right to have one connection; given back with this object. */
final class Permit
{
    public function __construct(private readonly Engine $engine, private readonly int $number) {}

    public function __destruct()
    {
        $this->engine->release($this->number);
    }
}
