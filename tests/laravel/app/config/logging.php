<?php

use KQueue\Tests\Laravel\TestCase;

return ['default' => 'single', 'channels' => ['single' => ['driver' => 'single', 'path' => TestCase::folder().'/laravel.log']]];
