<?php

use Illuminate\Contracts\Console\Kernel as ConsoleKernelContract;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel as HttpKernelContract;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Configuration\Exceptions;
use Illuminate\Foundation\Configuration\Middleware;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;
use Illuminate\Foundation\Exceptions\Handler;
use Illuminate\Foundation\Http\Kernel as HttpKernel;

$app = (static function (): Application {
    // Before Laravel 11; the providers are in config/app.php then.
    if (! method_exists(Application::class, 'configure')) {
        $app = new Application(dirname(__DIR__));
        $app->singleton(HttpKernelContract::class, HttpKernel::class);
        $app->singleton(ConsoleKernelContract::class, ConsoleKernel::class);
        $app->singleton(ExceptionHandler::class, Handler::class);

        return $app;
    }

    return Application::configure(basePath: dirname(__DIR__))
        ->withProviders(withBootstrapProviders: false)
        ->withMiddleware(fn (Middleware $middleware) => null)
        ->withExceptions(fn (Exceptions $exceptions) => null)
        ->create();
})();

return $app->useStoragePath(getenv('KQUEUE_TEST_FOLDER'));
