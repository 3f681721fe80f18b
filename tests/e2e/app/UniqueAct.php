<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Contracts\Queue\ShouldBeEncrypted;
use Illuminate\Contracts\Queue\ShouldBeUnique;

final class UniqueAct extends Act implements ShouldBeEncrypted, ShouldBeUnique
{
    public function uniqueId(): string
    {
        return 'only one';
    }
}
