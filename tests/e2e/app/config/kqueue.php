<?php

return ['shared' => array_filter(explode(',', (string) getenv('KQUEUE_TEST_SHARED'))), 'grace' => (float) (getenv('KQUEUE_TEST_GRACE') ?: 2.0)];
