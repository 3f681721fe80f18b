<?php

declare(strict_types=1);

namespace KQueue\Concurrency;

use Carbon\CarbonInterval;
use Closure;
use Illuminate\Contracts\Concurrency\Driver;
use Illuminate\Support\Arr;
use Illuminate\Support\Defer\DeferredCallback;

use function Illuminate\Support\defer;
use function KQueue\concurrently;

/**
 * Concurrency::driver('kqueue'): tasks of a job side by side in its own lane and application, without processes and without
 * serializing anything. Outside of kqueue:run, or without the extension, one after another.
 */
final class ConcurrencyDriver implements Driver
{
    /** As in the sync and fork drivers, the timeout is without effect. */
    public function run(Closure|array $tasks, CarbonInterval|int|null $timeout = null): array
    {
        $tasks = Arr::wrap($tasks);

        return extension_loaded('kqueue')
            ? concurrently($tasks)
            : array_map(static fn (callable $task): mixed => $task(), $tasks);
    }

    public function defer(Closure|array $tasks): DeferredCallback
    {
        return defer(fn (): array => $this->run($tasks));
    }
}
