<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

class IsolatedAct extends Act
{
    public ?bool $isolated = true;

    public ?int $maxMemory = null;

    public int $priority = 0;
}
