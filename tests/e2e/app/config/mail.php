<?php

return [
    'default' => 'smtp',
    'mailers' => ['smtp' => ['transport' => 'smtp', 'host' => 'localhost', 'port' => (int) getenv('KQUEUE_TEST_SMTP_PORT'), 'timeout' => 20], 'array' => ['transport' => 'array']],
    'from' => ['address' => 'a@example.com', 'name' => 'a'],
];
