<?php

return ['paths' => [dirname(__DIR__).'/resources/views'], 'compiled' => getenv('KQUEUE_TEST_FOLDER').'/framework/views'];
