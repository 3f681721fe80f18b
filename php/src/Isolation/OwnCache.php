<?php

declare(strict_types=1);

namespace KQueue\Isolation;

use Illuminate\Cache\DatabaseStore;
use Illuminate\Cache\RedisStore;
use Illuminate\Cache\Repository;
use Illuminate\Contracts\Foundation\Application;

/**
 * The application's default cache as it is now, for what the run itself keeps there. Whoever makes it the cache of one of his tenants
 * later does not change where that is; and what listens to the application's cache, queries and commands hears nothing of it.
 */
final class OwnCache extends Repository
{
    public static function of(Application $app): self
    {
        return new self($app->make('cache.store')->getStore());
    }

    /** @param  mixed  $key */
    #[\Override]
    public function get($key, $default = null): mixed
    {
        return $this->quietly(fn (): mixed => parent::get($key, $default));
    }

    /**
     * @param  mixed  $key
     * @param  mixed  $value
     * @return bool
     */
    #[\Override]
    public function forever($key, $value)
    {
        return $this->quietly(fn (): mixed => parent::forever($key, $value));
    }

    /**
     * @template T
     *
     * @param  callable(): T  $use
     * @return T
     */
    private function quietly(callable $use): mixed
    {
        $store = $this->getStore();
        $connection = match (true) {
            $store instanceof RedisStore => $store->connection(),
            $store instanceof DatabaseStore => $store->getConnection(),
            default => null,
        };
        $events = $connection?->getEventDispatcher();
        $connection?->unsetEventDispatcher();

        try {
            return $use();
        } finally {
            $events === null || $connection->setEventDispatcher($events);
        }
    }
}
