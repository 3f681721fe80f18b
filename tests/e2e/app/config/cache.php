<?php

return ['default' => 'file', 'stores' => ['file' => ['driver' => 'file', 'path' => getenv('KQUEUE_TEST_FOLDER').'/cache']], 'prefix' => ''];
