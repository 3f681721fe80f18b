<?php

declare(strict_types=1);

namespace KQueue\Testing;

use Closure;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Contracts\Foundation\Application;
use KQueue\Application\Template;

/**
 * For an application's own PHPUnit tests: runs its jobs in lanes, at once, within the test's process. Needs the extension; tests are
 * skipped without it.
 *
 * Each job runs in a lane of its own, a copy of an application that bootstrap/app.php makes: not in the test's $this->app.
 */
trait InteractsWithLanes
{
    /** Seconds that all of it may take. */
    protected float $laneTimeout = 60.0;

    /**
     * Runs the jobs at once, each in a lane of its own, and has them change places as often as they can: at whatever they wait for,
     * and at each event that Laravel fires.
     *
     * @param  array<array-key, object>  $jobs  jobs as they are dispatched, or closures
     * @param  (Closure(Application): void)|null  $before  called in each lane before its job: fakes, tables
     * @param  (Closure(Application): mixed)|null  $observe  called in each lane after its job; what it returns is in the result
     * @return array<array-key, LaneResult> with the keys of the jobs
     */
    protected function runInLanes(array $jobs, ?Closure $before = null, ?Closure $observe = null): array
    {
        return $this->lanes($before, $observe)->together($jobs);
    }

    /**
     * Each job must do beside the others what it does alone: return, throw and print the same, and be observed the same. None may change
     * what lanes share: objects of the classes in kqueue.shared, and what belongs to the process.
     *
     * @param  array<array-key, object>  $jobs
     * @param  (Closure(Application): void)|null  $before
     * @param  (Closure(Application): mixed)|null  $observe
     * @return array<array-key, LaneResult> of the jobs beside each other
     */
    protected function assertNoLeaks(array $jobs, ?Closure $before = null, ?Closure $observe = null): array
    {
        $lanes = $this->lanes($before, $observe);
        $alone = $lanes->alone($jobs);
        $together = $lanes->together($jobs);
        $leaks = $lanes->changes;

        foreach ($together as $key => $result) {
            array_push($leaks, ...$result->differencesTo($alone[$key]));
        }

        self::assertSame([], $leaks, "Jobs leak into others:\n- ".implode("\n- ", $leaks)."\n");

        return $together;
    }

    /** The application that lanes are copied from. Its bootstrap file is not run in the scope of the test, which must not be copied. */
    protected function createLaneApplication(): Application
    {
        $app = Template::application($this->app->bootstrapPath('app.php'));
        $app->make(Kernel::class)->bootstrap();

        return $app;
    }

    private function lanes(?Closure $before, ?Closure $observe): Lanes
    {
        if (! extension_loaded('kqueue')) {
            self::markTestSkipped('Needs the extension kqueue.');
        }

        return new Lanes($this->app, static::class, $this->createLaneApplication(...), $before, $observe, $this->laneTimeout);
    }
}
