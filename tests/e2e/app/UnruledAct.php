<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

/** A class that may misbehave in a lane: the others of its test are of another class, and stay in lanes. */
final class UnruledAct extends Act
{
    public ?int $maxMemory = null;
}
