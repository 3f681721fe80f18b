<?php

declare(strict_types=1);

namespace KQueue\Connections;

use Closure;
use Illuminate\Cache\CacheManager;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Database\Connection;
use Illuminate\Database\DatabaseManager;
use Illuminate\Mail\MailManager;
use Illuminate\Queue\QueueManager;
use Illuminate\Redis\RedisManager;
use Throwable;

/**
 * The booted application as processes are forked from it and lanes are copied from it: it may hold no open connection, since
 * two processes, or two lanes, on one socket would read each other's answers.
 */
final class OpenConnections
{
    /**
     * Closes what is open. Each service opens it again when it is used.
     *
     * @return list<string> what was open
     */
    public static function close(Application $app): array
    {
        $closed = [
            ...self::closeDatabases($app),
            ...self::closeRedis($app),
            ...self::forgetQueues($app),
            ...self::forgetCaches($app),
            ...self::forgetMailers($app),
        ];
        // Last, since the others may write to it. That a file is opened again is nothing to tell.
        OpenLogs::close($app);

        return $closed;
    }

    /** Whether a database or Redis connection is open. */
    public static function holdsConnections(Application $app): bool
    {
        if (self::resolved($app, 'redis', RedisManager::class)?->connections()) {
            return true;
        }

        foreach (self::resolved($app, 'db', DatabaseManager::class)?->getConnections() ?? [] as $connection) {
            if (self::isConnected($connection)) {
                return true;
            }
        }

        return false;
    }

    /** @return list<string> */
    private static function closeDatabases(Application $app): array
    {
        $databases = self::resolved($app, 'db', DatabaseManager::class);
        $closed = [];

        foreach ($databases?->getConnections() ?? [] as $name => $connection) {
            if (self::isConnected($connection)) {
                $closed[] = "database connection [{$name}]";
            }

            $connection->disconnect();
        }

        return $closed;
    }

    /** A connection that was never used holds a closure where the PDO will be. */
    private static function isConnected(Connection $connection): bool
    {
        return is_object($connection->getRawPdo()) && ! $connection->getRawPdo() instanceof Closure
            || is_object($connection->getRawReadPdo()) && ! $connection->getRawReadPdo() instanceof Closure;
    }

    /** @return list<string> */
    private static function closeRedis(Application $app): array
    {
        $redis = self::resolved($app, 'redis', RedisManager::class);
        $closed = [];

        foreach ($redis?->connections() ?? [] as $name => $connection) {
            $closed[] = "Redis connection [{$name}]";

            try {
                $connection->disconnect();
            } catch (Throwable) {
                // It was gone already.
            }

            $redis->purge($name);
        }

        return $closed;
    }

    /**
     * Queue objects of third parties may hold a socket (Beanstalkd does).
     *
     * @return list<string>
     */
    private static function forgetQueues(Application $app): array
    {
        if ($queues = self::resolved($app, 'queue', QueueManager::class)) {
            Closure::bind(static fn () => $queues->connections = [], null, QueueManager::class)();
        }

        return [];
    }

    /** @return list<string> */
    private static function forgetCaches(Application $app): array
    {
        $caches = self::resolved($app, 'cache', CacheManager::class);

        if ($caches === null) {
            return [];
        }

        $closed = [];

        foreach (Closure::bind(static fn (): array => $caches->stores, null, CacheManager::class)() as $name => $store) {
            // The stores on Redis and on databases hold no connection of their own.
            if (is_a($store->getStore(), 'Illuminate\Cache\MemcachedStore')) {
                $closed[] = "cache store [{$name}]";
                $caches->purge($name);
            }
        }

        return $closed;
    }

    /** @return list<string> */
    private static function forgetMailers(Application $app): array
    {
        self::resolved($app, 'mail.manager', MailManager::class)?->forgetMailers();

        return [];
    }

    /**
     * @template T of object
     *
     * @param  class-string<T>  $class
     * @return T|null
     */
    private static function resolved(Application $app, string $name, string $class): ?object
    {
        $service = $app->resolved($name) ? $app->make($name) : null;

        return $service instanceof $class ? $service : null;
    }
}
