<?php

// As a provider requires it once: it declares nothing.

declare(strict_types=1);

use Illuminate\Database\Eloquent\Model;
use Illuminate\Support\Arr;
use KQueue\Tests\E2E\App\Once\Initialised;

Arr::macro('once', static fn (): string => 'macro of macros.php');
Model::unguard();
app()->singleton('once.bound', static fn (): ArrayObject => new ArrayObject(['bound']));
app('events')->listen('once.event', static fn (): string => 'heard');
Initialised::$touched[] = 'by macros.php';
