<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Support\ServiceProvider;
use stdClass;

/** What a large application has in its container: some 8 MB, which each lane copies. */
final class LargeProvider extends ServiceProvider
{
    public function register(): void
    {
        for ($all = []; count($all) < 20_000;) {
            $all[] = $object = new stdClass;
            $object->number = count($all);
            $object->values = ['of' => $object, 'number' => count($all)];
        }

        $this->app->instance('large', (object) ['all' => $all]);
    }
}
