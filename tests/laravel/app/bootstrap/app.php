<?php

use Illuminate\Foundation\Application;
use Illuminate\Foundation\Configuration\Exceptions;
use Illuminate\Foundation\Configuration\Middleware;
use KQueue\Contracts\Engine;
use KQueue\KQueueServiceProvider;
use KQueue\Tests\Laravel\Fixtures\AppServiceProvider;
use KQueue\Tests\Laravel\TestCase;

$app = Application::configure(basePath: dirname(__DIR__))
    ->withProviders([KQueueServiceProvider::class, AppServiceProvider::class], withBootstrapProviders: false)
    ->withMiddleware(fn (Middleware $middleware) => null)
    ->withExceptions(fn (Exceptions $exceptions) => null)
    ->create();

$app->useStoragePath(TestCase::folder());
$app->instance(Engine::class, TestCase::$engine);

return $app;
