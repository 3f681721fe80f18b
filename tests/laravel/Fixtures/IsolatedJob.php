<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

class IsolatedJob extends TestJob
{
    public ?bool $isolated = true;

    public ?int $maxMemory = 64;

    public int $priority = 3;
}
