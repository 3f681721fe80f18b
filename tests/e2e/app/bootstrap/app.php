<?php

use Illuminate\Foundation\Application;
use Illuminate\Foundation\Configuration\Exceptions;
use Illuminate\Foundation\Configuration\Middleware;
use KQueue\KQueueServiceProvider;
use KQueue\Tests\E2E\App\AppServiceProvider;

$app = Application::configure(basePath: dirname(__DIR__))
    ->withProviders(array_filter([KQueueServiceProvider::class, AppServiceProvider::class, getenv('KQUEUE_TEST_PROVIDER')]), withBootstrapProviders: false)
    ->withMiddleware(fn (Middleware $middleware) => null)
    ->withExceptions(fn (Exceptions $exceptions) => null)
    ->create();

return $app->useStoragePath(getenv('KQUEUE_TEST_FOLDER'));
