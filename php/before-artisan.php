<?php

// Runs before artisan if the application cannot be copied: see KQueue\Process\Restart. What is required here declares the
// application's classes; lanes begin from the process as it is then.

declare(strict_types=1);

(static function (): void {
    require getenv('KQUEUE_AUTOLOADER');
    KQueue\Process\Restart::begin();
})();
