<?php

// A job requires it once.

declare(strict_types=1);

use Illuminate\Support\Str;

Str::macro('lazily', static fn (): string => 'macro of a job');

return 'macros';
