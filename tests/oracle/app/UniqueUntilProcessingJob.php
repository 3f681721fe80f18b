<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldBeUniqueUntilProcessing;

final class UniqueUntilProcessingJob extends Job implements ShouldBeUniqueUntilProcessing
{
    public string $uniqueId = '';
}
