<?php

return [
    'default' => getenv('KQUEUE_TEST_DATABASE') ?: 'sqlite',
    'connections' => [
        'sqlite' => [
            'driver' => 'sqlite',
            'database' => getenv('KQUEUE_TEST_FOLDER').'/e2e.sqlite',
            'prefix' => '',
            'journal_mode' => 'wal',
            'synchronous' => 'normal',
            'busy_timeout' => 20000,
            'transaction_mode' => getenv('KQUEUE_TEST_TRANSACTIONS') ?: 'IMMEDIATE',
        ],
        'mysql' => ['driver' => 'mysql', 'host' => '127.0.0.1', 'port' => getenv('KQUEUE_TEST_MYSQL_PORT') ?: 1, 'database' => 'test', 'username' => 'root', 'password' => ''],
        'pgsql' => ['driver' => 'pgsql', 'host' => '127.0.0.1', 'port' => getenv('KQUEUE_TEST_PGSQL_PORT') ?: 1, 'database' => 'postgres', 'username' => 'test', 'password' => ''],
    ],
    'redis' => [
        'client' => getenv('KQUEUE_TEST_REDIS_CLIENT') ?: 'phpredis',
        'options' => ['prefix' => 'e2e:'],
        'default' => ['host' => '127.0.0.1', 'port' => getenv('KQUEUE_TEST_REDIS_PORT') ?: 1, 'database' => 0],
        'waits' => ['host' => '127.0.0.1', 'port' => getenv('KQUEUE_TEST_WAITS_PORT') ?: 1, 'database' => 0],
    ],
];
