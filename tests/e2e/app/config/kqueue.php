<?php

return [
    'shared' => array_filter(explode(',', (string) getenv('KQUEUE_TEST_SHARED'))),
    'grace' => (float) (getenv('KQUEUE_TEST_GRACE') ?: 2.0),
    'connections' => ['idle' => (float) (getenv('KQUEUE_TEST_IDLE') ?: 60), 'max' => json_decode(getenv('KQUEUE_TEST_MAX') ?: '[]', true)],
];
