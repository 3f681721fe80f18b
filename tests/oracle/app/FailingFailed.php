<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use RuntimeException;
use Throwable;

final class FailingFailed extends Job
{
    public function failed(?Throwable $e): void
    {
        throw new RuntimeException('in failed()');
    }
}
