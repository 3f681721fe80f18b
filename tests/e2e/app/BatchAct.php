<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Bus\Batchable;

final class BatchAct extends Act
{
    use Batchable;
}
