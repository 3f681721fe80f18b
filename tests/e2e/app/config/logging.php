<?php

return ['default' => 'single', 'channels' => ['single' => ['driver' => 'single', 'path' => getenv('KQUEUE_TEST_FOLDER').'/laravel.log']]];
