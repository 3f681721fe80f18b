<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Contract;

use KQueue\Contracts\Engine;
use KQueue\Testing\FakeEngine;

/** What users' tests are given instead of the extension keeps the contract too. */
final class FakeEngineTest extends EngineContract
{
    protected function engine(): Engine
    {
        return new FakeEngine;
    }
}
