<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Batchable;

final class BatchJob extends Job
{
    use Batchable;
}
