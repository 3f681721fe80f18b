<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Fatal;

use KQueue\Tests\E2E\App\Act;
use Throwable;

final class FailsFatally extends Act
{
    public function failed(?Throwable $e): void
    {
        Errors::function();
    }
}
