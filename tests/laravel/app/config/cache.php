<?php

use KQueue\Tests\Laravel\TestCase;

return ['default' => 'file', 'stores' => ['file' => ['driver' => 'file', 'path' => TestCase::folder().'/cache']], 'prefix' => ''];
