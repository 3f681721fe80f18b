<?php

return [
    'default' => 'sqlite',
    'connections' => [
        'sqlite' => [
            'driver' => 'sqlite',
            'database' => getenv('KQUEUE_TEST_FOLDER').'/e2e.sqlite',
            'prefix' => '',
            'journal_mode' => 'wal',
            'synchronous' => 'normal',
            'busy_timeout' => 20000,
            'transaction_mode' => 'IMMEDIATE',
        ],
    ],
    'redis' => [
        'client' => 'phpredis',
        'options' => ['prefix' => 'e2e:'],
        'default' => ['host' => '127.0.0.1', 'port' => getenv('KQUEUE_TEST_REDIS_PORT') ?: 1, 'database' => 0],
    ],
];
