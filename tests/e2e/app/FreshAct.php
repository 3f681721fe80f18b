<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

final class FreshAct extends Act
{
    public bool $fresh = true;
}
