<?php

// As Composer's "files" of an application: it declares functions, and sets what is there once per process.

declare(strict_types=1);

use Illuminate\Support\Str;

function once_helper(): int
{
    static $calls = 10;

    return ++$calls;
}

once_helper();
$GLOBALS['once_global'] = ['set by' => 'files.php'];
Str::macro('once', static fn (): string => 'macro of files.php');
