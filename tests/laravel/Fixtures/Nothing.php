<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

/** A handler of a string job. */
final class Nothing
{
    public function fire(): void {}
}
