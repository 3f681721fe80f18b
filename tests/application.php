<?php

// A new application for tests, on Laravel 10 to 13; its providers are in its config/app.php.

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel as ConsoleKernelContract;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel as HttpKernelContract;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Configuration\Exceptions;
use Illuminate\Foundation\Configuration\Middleware;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;
use Illuminate\Foundation\Exceptions\Handler;
use Illuminate\Foundation\Http\Kernel as HttpKernel;

return static function (string $folder): Application {
    if (method_exists(Application::class, 'configure')) {
        return Application::configure(basePath: $folder)
            ->withProviders(withBootstrapProviders: false)
            ->withMiddleware(fn (Middleware $middleware) => null)
            ->withExceptions(fn (Exceptions $exceptions) => null)
            ->create();
    }

    // Before Laravel 11.
    $app = new Application($folder);
    $app->singleton(HttpKernelContract::class, HttpKernel::class);
    $app->singleton(ConsoleKernelContract::class, ConsoleKernel::class);
    $app->singleton(ExceptionHandler::class, Handler::class);

    return $app;
};
