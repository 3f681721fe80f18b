<?php

declare(strict_types=1);

require dirname(__DIR__).'/e2e/app/autoload.php';

foreach (['kqueue' => 'run `make test-oracle`', 'pcntl' => 'queue:work knows neither timeouts nor signals without it'] as $extension => $advice) {
    if (! extension_loaded($extension)) {
        fwrite(STDERR, "The {$extension} extension is not loaded: {$advice}.\n");
        exit(1);
    }
}
