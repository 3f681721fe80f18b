<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Support\ConfigurationUrlParser;
use PDO;
use Throwable;

/** Asks database servers, before the run begins, whether they take as many connections as its jobs may open. */
final class ServerLimits
{
    private const QUERIES = [
        'mysql' => 'select @@max_connections as most',
        'mariadb' => 'select @@max_connections as most',
        'pgsql' => "select setting as most from pg_settings where name = 'max_connections'",
    ];

    /** Seconds. A server that does not answer is one that jobs will complain of. */
    private const PATIENCE = 2;

    public function __construct(private readonly Application $app) {}

    /** @return list<string> */
    public function warnings(Settings $settings): array
    {
        $warnings = [];

        foreach ($this->databases($settings) as $name) {
            $most = $this->mostOf($name);
            $jobs = min($settings->concurrency, $settings->maxConnections[$name] ?? PHP_INT_MAX);
            $wanted = $jobs + $settings->isolated;

            if ($most !== null && $wanted > $most) {
                $warnings[] = "The server of the database connection [{$name}] takes {$most} connections at once, and {$wanted} jobs may want one"
                    ." ({$jobs} in lanes, {$settings->isolated} isolated). Lower --concurrency, or set kqueue.connections.max.";
            }
        }

        return $warnings;
    }

    /** @return list<string> the default one and the one that the queue is in */
    private function databases(Settings $settings): array
    {
        $config = $this->app->make('config');
        $default = $config->get('database.default');
        $queue = $config->get("queue.connections.{$settings->connection}");
        $names = [$default, ($queue['driver'] ?? null) === 'database' ? $queue['connection'] ?? $default : null];

        return array_values(array_unique(array_filter($names, is_string(...))));
    }

    private function mostOf(string $name): ?int
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
}
