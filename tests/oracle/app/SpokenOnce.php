<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldBeUnique;

final class SpokenOnce extends Spoken implements ShouldBeUnique
{
    public function uniqueId(): string
    {
        return $this->queue;
    }
}
