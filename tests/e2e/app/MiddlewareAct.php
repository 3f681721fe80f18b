<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

final class MiddlewareAct extends Act
{
    /** @var list<object> */
    public array $through = [];

    /** @return list<object> */
    public function middleware(): array
    {
        return $this->through;
    }
}
