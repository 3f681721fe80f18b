<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Once;

/** Nobody has loaded its file before the first job. */
final class Lazy
{
    /** @var list<string> */
    public static array $log = [];

    public static ?self $instance = null;

    public int $used = 0;
}

Lazy::$instance = new Lazy;
Lazy::$log[] = 'loaded';
