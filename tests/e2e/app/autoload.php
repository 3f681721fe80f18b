<?php

// Laravel from LARAVEL_PHP_DIR (or Composer's vendor), the package, this folder, and tests/oracle, which uses this application too.

declare(strict_types=1);

(static function (): void {
    $root = dirname(__DIR__, 3);

    require_once is_file($root.'/vendor/autoload.php')
        ? $root.'/vendor/autoload.php'
        : (getenv('LARAVEL_PHP_DIR') ?: '/usr/share/php').'/Illuminate/autoload.php';

    // Debian's packages of Laravel do not load these, or look for them in another place than Debian's packages have them.
    foreach (['GuzzleHttp', 'Pheanstalk'] as $package) {
        if ($file = stream_resolve_include_path("{$package}/autoload.php")) {
            require_once $file;
        }
    }

    spl_autoload_register(static function (string $class) use ($root): void {
        foreach ([
            'KQueue\Tests\E2E\App\Once\\' => __DIR__.'/once',
            'KQueue\Tests\E2E\App\\' => __DIR__,
            'KQueue\Tests\E2E\\' => dirname(__DIR__),
            'KQueue\Tests\Oracle\App\\' => $root.'/tests/oracle/app',
            'KQueue\Tests\Oracle\\' => $root.'/tests/oracle',
            'KQueue\\' => $root.'/php/src',
        ] as $namespace => $folder) {
            if (str_starts_with($class, $namespace)) {
                $file = $folder.'/'.str_replace('\\', '/', substr($class, strlen($namespace))).'.php';

                if (is_file($file)) {
                    require $file;

                    return;
                }
            }
        }

        if (str_starts_with($class, 'Laravel\\Horizon\\')) {
            $folder = getenv('KQUEUE_TEST_HORIZON_FOLDER');
            $file = $folder.'/src/'.str_replace('\\', '/', substr($class, strlen('Laravel\\Horizon\\'))).'.php';
            $folder ? is_file($file) && require $file : require_once __DIR__.'/horizon.php';
        }

        // If no AWS SDK is installed, the little of it that Laravel's driver for SQS calls.
        if (str_starts_with($class, 'Aws\\')) {
            require_once __DIR__.'/aws.php';
        }
    });

    if (getenv('KQUEUE_TEST_ONCE')) {
        require_once __DIR__.'/once/files.php';
    }

    if (getenv('KQUEUE_TEST_PACKAGE')) {
        KQueue\Tests\E2E\App\Packages::load();
    }
})();
