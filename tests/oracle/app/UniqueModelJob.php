<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldBeUnique;

final class UniqueModelJob extends ModelJob implements ShouldBeUnique
{
    public string $uniqueId = '';
}
