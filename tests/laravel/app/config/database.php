<?php

use KQueue\Tests\Laravel\TestCase;

return [
    'default' => 'sqlite',
    'connections' => ['sqlite' => ['driver' => 'sqlite', 'database' => TestCase::folder().'/tests.sqlite', 'prefix' => '']],
    'redis' => [
        'client' => 'phpredis',
        'options' => ['prefix' => 'tests:'],
        'default' => ['host' => '127.0.0.1', 'port' => getenv('KQUEUE_TEST_REDIS_PORT') ?: 1, 'database' => 0],
    ],
];
