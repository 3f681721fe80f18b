<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Foundation\Events\Dispatchable;

/** What listeners listen to. */
final class Happened
{
    use Dispatchable;

    public function __construct(public readonly string $queue, public readonly string $how = '') {}
}
