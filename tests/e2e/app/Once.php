<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Support\Arr;
use Illuminate\Support\Str;
use KQueue\Tests\E2E\App\Once\Initialised;
use KQueue\Tests\E2E\App\Once\Lazy;

/** What PHP does once per process, as the first job of a worker finds it. */
final class Once
{
    /** @return array<string, mixed> */
    public static function seen(): array
    {
        $required = require_once __DIR__.'/once/lazy-macros.php';
        Lazy::$instance->used++;
        Lazy::$log[] = 'used';
        usleep(20_000);

        return [
            'a file that declares functions' => [once_helper(), $GLOBALS['once_global'] ?? null, Str::hasMacro('once') ? Str::once() : null],
            'a file that declares nothing' => [
                Arr::hasMacro('once') ? Arr::once() : null,
                Model::isUnguarded(),
                app()->bound('once.bound') ? app('once.bound')->getArrayCopy() : null,
                app('events')->dispatch('once.event'),
            ],
            'a class file that initialises itself' => [array_keys(Initialised::$instances), Initialised::$touched, Initialised::$factory === null ? null : (Initialised::$factory)()],
            'the same, loaded by the job' => [Lazy::$log, Lazy::$instance->used, $required, Str::lazily()],
            'an error handler' => [get_debug_type(set_error_handler(null)), restore_error_handler()],
            'a file that does both' => getenv('KQUEUE_TEST_MIXED') ? Str::mixed() : null,
            'a shutdown function' => register_shutdown_function(static fn () => Trace::add('shut down', Str::hasMacro('once'))),
        ];
    }
}
