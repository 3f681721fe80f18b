<?php

return ['shared' => array_filter(explode(',', (string) getenv('KQUEUE_TEST_SHARED')))];
