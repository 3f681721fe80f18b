<?php

// Loads Laravel from LARAVEL_PHP_DIR (a folder with Illuminate/autoload.php, as Debian's packages install it) or from Composer.

declare(strict_types=1);

$root = dirname(__DIR__, 2);

require_once is_file($root.'/vendor/autoload.php')
    ? $root.'/vendor/autoload.php'
    : (getenv('LARAVEL_PHP_DIR') ?: '/usr/share/php').'/Illuminate/autoload.php';

spl_autoload_register(static function (string $class) use ($root): void {
    foreach (['KQueue\Tests\Laravel\\' => __DIR__, 'KQueue\\' => $root.'/php/src'] as $namespace => $folder) {
        if (str_starts_with($class, $namespace)) {
            $file = $folder.'/'.str_replace('\\', '/', substr($class, strlen($namespace))).'.php';

            if (is_file($file)) {
                require $file;

                return;
            }
        }
    }
});
