<?php

use KQueue\Contracts\Engine;
use KQueue\Tests\Laravel\TestCase;

$app = (require dirname(__DIR__, 3).'/application.php')(dirname(__DIR__));

$app->useStoragePath(TestCase::folder());
$app->instance(Engine::class, TestCase::$engine);

return $app;
