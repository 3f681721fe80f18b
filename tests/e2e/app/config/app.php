<?php

use Illuminate\Support\ServiceProvider;
use KQueue\KQueueServiceProvider;
use KQueue\Tests\E2E\App\AppServiceProvider;

return [
    'name' => 'e2e',
    'env' => getenv('KQUEUE_TEST_ENV') ?: 'testing',
    'debug' => true,
    'key' => 'base64:'.base64_encode(str_repeat('k', 32)),
    'cipher' => 'AES-256-CBC',
    'timezone' => 'UTC',
    'locale' => 'en',
    'fallback_locale' => 'en',
    'providers' => ServiceProvider::defaultProviders()->merge(array_filter([KQueueServiceProvider::class, AppServiceProvider::class, getenv('KQUEUE_TEST_PROVIDER')]))->toArray(),
];
