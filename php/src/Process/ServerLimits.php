<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Redis\RedisManager;
use Illuminate\Support\ConfigurationUrlParser;
use KQueue\Support\Settings;
use PDO;
use Throwable;

/** Asks database and Redis servers, before the run begins, whether they take as many connections as its jobs may open. Of SQLite it says what else fails. */
final class ServerLimits
{
    private const MYSQL = 'select least(@@global.max_connections, coalesce(nullif(@@max_user_connections, 0), @@global.max_connections)) as most';

    /** Without what is kept for administrators. */
    private const POSTGRESQL = "select sum(case name when 'max_connections' then setting::int else -setting::int end) as most from pg_settings"
        ." where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')";

    private const QUERIES = ['mysql' => self::MYSQL, 'mariadb' => self::MYSQL, 'pgsql' => self::POSTGRESQL];

    /** Seconds. A server that does not answer is one that jobs will complain of. */
    private const PATIENCE = 2;

    public function __construct(private readonly Application $app) {}

    /** @return list<string> */
    public function warnings(Settings $settings): array
    {
        $warnings = [];

        foreach ($this->databases($settings) as $name) {
            $limit = $settings->maxConnections[$name] ?? null;
            $advice = $limit === null ? 'or set' : 'or lower';
            $warnings[] = $this->warning("database connection [{$name}]", $this->mostOfDatabase($name), $settings, $limit, fn (int $free): string => $free < 1 ? '' : ", {$advice}"
                ." kqueue.connections.max.{$name}, to {$free} at the most: then jobs wait for a connection instead of failing");
        }

        if ($name = $this->redis($settings)) {
            $warnings[] = $this->warning("Redis connection [{$name}]", $this->mostOfRedis($name), $settings, null, static fn (): string => '');
        }

        return [...array_values(array_filter($warnings)), ...(new SqliteTransactions($this->app))->warnings($this->databases($settings), $settings)];
    }

    /**
     * @param  int|null  $most  what the server takes; null: it is not known
     * @param  int|null  $limit  how many lanes may be connected
     * @param  callable(int): string  $advice  what else to do, given how many are left for lanes
     */
    private function warning(string $what, ?int $most, Settings $settings, ?int $limit, callable $advice): ?string
    {
        $lanes = min($settings->concurrency, $limit ?? PHP_INT_MAX);
        $wanted = $lanes + $settings->isolated;

        return $most === null || $wanted <= $most ? null : "The server of the {$what} takes {$most} connections at once, and {$wanted} jobs may want one"
            ." ({$lanes} in lanes, {$settings->isolated} isolated). Lower --concurrency, raise the server's limit{$advice($most - $settings->isolated)}.";
    }

    /** @return list<string> the default one, the one that the queue is in, and those that have a limit */
    private function databases(Settings $settings): array
    {
        $config = $this->app->make('config');
        $default = $config->get('database.default');
        $queue = $config->get("queue.connections.{$settings->connection}");
        $names = [$default, ($queue['driver'] ?? null) === 'database' ? $queue['connection'] ?? $default : null, ...array_keys($settings->maxConnections)];

        return array_values(array_unique(array_filter($names, is_string(...))));
    }

    /** @return string|null the one that the queue is in */
    private function redis(Settings $settings): ?string
    {
        $queue = $this->app->make('config')->get("queue.connections.{$settings->connection}");

        return ($queue['driver'] ?? null) === 'redis' ? $queue['connection'] ?? 'default' : null;
    }

    private function mostOfDatabase(string $name): ?int
    {
        try {
            $config = (new ConfigurationUrlParser)->parseConfiguration($this->app->make('config')->get("database.connections.{$name}"));
            $query = self::QUERIES[$config['driver'] ?? ''] ?? null;

            if ($query === null) {
                return null;
            }

            // One of its own, with a short patience, and gone when it has answered.
            $config['options'] = [PDO::ATTR_TIMEOUT => self::PATIENCE] + ($config['options'] ?? []);
            $connection = $this->app->make('db.factory')->make($config, 'kqueue');
            $most = $connection->selectOne($query)->most ?? null;
            $connection->disconnect();

            return is_numeric($most) ? (int) $most : null;
        } catch (Throwable) {
            return null;
        }
    }

    private function mostOfRedis(string $name): ?int
    {
        try {
            $config = $this->app->make('config')->get('database.redis');

            if (! isset($config[$name])) {
                return null;
            }

            $config[$name] = ['timeout' => self::PATIENCE, 'read_timeout' => self::PATIENCE, 'persistent' => false] + $config[$name];
            $connection = (new RedisManager($this->app, $config['client'] ?? 'phpredis', $config))->resolve($name);
            $most = $connection->command('config', ['GET', 'maxclients'])['maxclients'] ?? null;
            $connection->disconnect();

            return is_numeric($most) ? (int) $most : null;
        } catch (Throwable) {
            // Hosted servers may not tell.
            return null;
        }
    }
}
