<?php

$app = (require dirname(__DIR__, 3).'/application.php')(dirname(__DIR__));

return $app->useStoragePath(getenv('KQUEUE_TEST_FOLDER'));
