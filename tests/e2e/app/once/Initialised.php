<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Once;

/** A class whose file initialises it. */
final class Initialised
{
    /** @var array<string, object> */
    public static array $instances = [];

    /** @var list<string> */
    public static array $touched = [];

    public static ?\Closure $factory = null;
}

Initialised::$instances['first'] = new \ArrayObject(['initialised']);
Initialised::$factory = static fn (): int => count(Initialised::$instances);
