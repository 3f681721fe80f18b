<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Batchable;
use KQueue\Tests\E2E\App\Row;

class ModelJob extends Job
{
    use Batchable;

    public Row $row;

    public bool $deleteWhenMissingModels = false;
}
