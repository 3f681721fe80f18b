<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

/** A service that remembers whose turn it is, as packages do: in a singleton, or in a static property. */
final class Desk
{
    public static ?string $static = null;

    public ?string $whose = null;

    /** @var list<string> */
    public array $seen = [];
}
