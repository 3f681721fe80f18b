<?php

use Illuminate\Support\ServiceProvider;
use KQueue\KQueueServiceProvider;
use KQueue\Tests\Laravel\Fixtures\AppServiceProvider;

return [
    'name' => 'tests',
    'env' => 'testing',
    'debug' => true,
    'key' => 'base64:'.base64_encode(str_repeat('k', 32)),
    'cipher' => 'AES-256-CBC',
    'timezone' => 'UTC',
    'locale' => 'en',
    'fallback_locale' => 'en',
    'providers' => ServiceProvider::defaultProviders()->merge([KQueueServiceProvider::class, AppServiceProvider::class])->toArray(),
];
