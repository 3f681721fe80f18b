<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

final class FreshJob extends TestJob
{
    public bool $fresh = true;
}
