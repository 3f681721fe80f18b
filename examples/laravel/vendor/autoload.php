<?php

// Stands in for Composer's autoloader, so that the example runs where Laravel is installed as a system package: in
// LARAVEL_PHP_DIR, or /usr/share/php. `composer install` replaces this folder.

namespace Composer\Autoload {
    if (! class_exists(ClassLoader::class, false)) {
        // Laravel asks it for the application's folder.
        class ClassLoader
        {
            public static function getRegisteredLoaders(): array
            {
                return [dirname(__DIR__).'/vendor' => new self];
            }
        }
    }
}

namespace {
    (static function (): void {
        $php = getenv('LARAVEL_PHP_DIR') ?: '/usr/share/php';

        if (! is_file($php.'/Illuminate/autoload.php')) {
            fwrite(STDERR, "There is no Laravel in {$php}: set LARAVEL_PHP_DIR, or run composer install.\n");
            exit(1);
        }

        require_once $php.'/Illuminate/autoload.php';

        $folders = [];

        $add = static function (array $package, string $folder) use (&$folders): void {
            foreach ($package['autoload']['psr-4'] ?? [] as $namespace => $path) {
                $folders[$namespace] = rtrim($folder.'/'.$path, '/').'/';
            }
        };

        $root = dirname(__DIR__);
        $add(json_decode(file_get_contents($root.'/composer.json'), true), $root);

        foreach (json_decode(file_get_contents(__DIR__.'/composer/installed.json'), true)['packages'] as $package) {
            $add($package, __DIR__.'/composer/'.$package['install-path']);
        }

        spl_autoload_register(static function (string $class) use ($folders): void {
            foreach ($folders as $namespace => $folder) {
                if (str_starts_with($class, $namespace)) {
                    $file = $folder.str_replace('\\', '/', substr($class, strlen($namespace))).'.php';

                    if (is_file($file)) {
                        require $file;
                    }
                }
            }
        });
    })();
}
