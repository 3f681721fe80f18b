<?php

// The Laravel of a checkout (KQUEUE_TEST_LARAVEL_FOLDER), with its own tests, Testbench of another (KQUEUE_TEST_TESTBENCH_FOLDER), and the
// package: for tools/framework-tests. What they need besides is Debian's, unless the checkout has Composer's vendor folder.

declare(strict_types=1);

(static function (): void {
    $folders = array_filter([getenv('KQUEUE_TEST_LARAVEL_FOLDER'), getenv('KQUEUE_TEST_TESTBENCH_FOLDER')]);
    $files = $namespaces = [];

    foreach ($folders as $folder) {
        if (is_file("{$folder}/vendor/autoload.php")) {
            require_once "{$folder}/vendor/autoload.php";

            continue;
        }

        $composer = json_decode(file_get_contents("{$folder}/composer.json"), true, flags: JSON_THROW_ON_ERROR);

        foreach (['autoload', 'autoload-dev'] as $section) {
            foreach ($composer[$section]['psr-4'] ?? [] as $namespace => $paths) {
                foreach ((array) $paths as $path) {
                    $namespaces[$namespace][] = "{$folder}/{$path}";
                }
            }
        }

        foreach ($composer['autoload']['files'] ?? [] as $file) {
            $files[] = "{$folder}/{$file}";
        }
    }

    $namespaces['KQueue\\'] = [dirname(__DIR__, 2).'/php/src/'];
    krsort($namespaces);

    // Before Debian's, so that its own Laravel is never asked.
    spl_autoload_register(static function (string $class) use ($namespaces): void {
        foreach ($namespaces as $namespace => $paths) {
            if (str_starts_with($class, $namespace)) {
                foreach ($paths as $path) {
                    if (is_file($file = $path.str_replace('\\', '/', substr($class, strlen($namespace))).'.php')) {
                        require $file;

                        return;
                    }
                }
            }
        }
    });

    if (is_file(reset($folders).'/vendor/autoload.php')) {
        return;
    }

    $debian = getenv('LARAVEL_PHP_DIR') ?: '/usr/share/php';
    preg_match_all('~\'('.preg_quote($debian, '~').'/.*?|.*?/share/php/.*?)\'~', (string) file_get_contents("{$debian}/Illuminate/autoload.php"), $required);

    foreach ([...$required[1], "{$debian}/Mockery/autoload.php", "{$debian}/Predis/autoload.php", "{$debian}/Symfony/Component/Yaml/autoload.php"] as $file) {
        // Those of Laravel's parts would load Debian's helpers.
        if (! str_contains($file, '/Illuminate/') && is_file($file)) {
            require_once $file;
        }
    }

    foreach ($files as $file) {
        require_once $file;
    }
})();
