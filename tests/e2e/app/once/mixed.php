<?php

// It declares something, so it cannot run again in a process, and changes what is not its own.

declare(strict_types=1);

use Illuminate\Support\Str;

function once_mixed(): void {}

Str::macro('mixed', static fn (): string => 'macro of mixed.php');
