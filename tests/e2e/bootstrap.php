<?php

declare(strict_types=1);

require __DIR__.'/app/autoload.php';

// An extension for another PHP is a start-up warning and exit status 0 only: nothing here may pass because of that.
if (! extension_loaded('kqueue')) {
    fwrite(STDERR, "The kqueue extension is not loaded: run `make test-e2e`.\n");
    exit(1);
}
