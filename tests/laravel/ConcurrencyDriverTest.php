<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use DomainException;
use Illuminate\Concurrency\ConcurrencyManager;
use Illuminate\Contracts\Concurrency\Driver;
use Illuminate\Support\Defer\DeferredCallbackCollection;
use Illuminate\Support\Facades\Concurrency;
use KQueue\Concurrency\ConcurrencyDriver;

/** The driver of Laravel's Concurrency facade, without a run: one task after another. */
final class ConcurrencyDriverTest extends TestCase
{
    protected function setUp(): void
    {
        parent::setUp();

        if (! interface_exists(Driver::class)) {
            self::markTestSkipped('Laravel 10 has no Concurrency.');
        }

        $this->app->bound(ConcurrencyManager::class) || $this->app->register(\Illuminate\Concurrency\ConcurrencyServiceProvider::class);
    }

    public function test_it_is_a_driver_of_the_facade(): void
    {
        self::assertInstanceOf(ConcurrencyDriver::class, Concurrency::driver('kqueue'));
        self::assertNotInstanceOf(ConcurrencyDriver::class, Concurrency::driver('sync'));
    }

    public function test_it_is_registered_where_the_manager_was_made_before(): void
    {
        $manager = $this->app->make(ConcurrencyManager::class);
        (new \KQueue\KQueueServiceProvider($this->app))->boot();

        self::assertInstanceOf(ConcurrencyDriver::class, $manager->driver('kqueue'));
    }

    public function test_results_have_the_keys_and_the_order_of_the_tasks(): void
    {
        self::assertSame(['b' => 2, 'a' => 1], Concurrency::driver('kqueue')->run(['b' => fn () => 2, 'a' => fn () => 1]));
        self::assertSame([1], Concurrency::driver('kqueue')->run(fn () => 1));
        self::assertSame([], Concurrency::driver('kqueue')->run([]));
    }

    public function test_what_a_task_throws_comes_out(): void
    {
        $this->expectExceptionObject(new DomainException('as it was thrown'));

        Concurrency::driver('kqueue')->run([fn () => 1, fn () => throw new DomainException('as it was thrown')]);
    }

    public function test_deferred_tasks_run_when_laravel_says_so(): void
    {
        $ran = [];
        Concurrency::driver('kqueue')->defer([function () use (&$ran) { $ran[] = 1; }, function () use (&$ran) { $ran[] = 2; }]);

        self::assertSame([], $ran);
        $this->app->make(DeferredCallbackCollection::class)->invoke();
        self::assertSame([1, 2], $ran);
    }
}
