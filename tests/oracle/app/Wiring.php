<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Foundation\Application;

/** What applications set up when they boot, and some cases need: the environment names it. */
final class Wiring
{
    public static function boot(Application $app): void
    {
        foreach (array_filter(explode(',', (string) getenv('ORACLE_WIRING'))) as $method) {
            self::{$method}($app);
        }
    }
}
