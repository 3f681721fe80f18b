<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldBeUnique;

final class UniqueJob extends Job implements ShouldBeUnique
{
    public string $uniqueId = '';

    public int $uniqueFor = 1000;
}
