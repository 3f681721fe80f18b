<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Database\SQLiteConnection;
use Illuminate\Support\ConfigurationUrlParser;
use KQueue\Support\Settings;
use PDO;
use PDOException;
use ReflectionMethod;
use Throwable;

/**
 * Says, before the run begins, that its jobs will meet "database is locked": as Laravel creates SQLite's connections, their transactions
 * begin deferred. Of two that have read and then want to write, SQLite lets one go on, and the other fails at once: to wait would be in vain.
 *
 * KQueue does not begin them immediate by itself: transactions that only read would then wait for each other too.
 */
final class SqliteTransactions
{
    public function __construct(private readonly Application $app) {}

    /**
     * @param  list<string>  $databases  names of connections that the run's jobs use
     * @return list<string>
     */
    public function warnings(array $databases, Settings $settings): array
    {
        // One job at a time does not meet another of its run.
        $deferred = $settings->concurrency < 2 ? [] : array_filter($databases, $this->areDeferred(...));

        return array_values(array_map($this->warning(...), $deferred));
    }

    private function warning(string $name): string
    {
        return "Jobs that read before they write, in a transaction on the SQLite connection [{$name}], will fail with \"database is locked\" as soon as"
            .' another job writes meanwhile: its transactions begin deferred, and SQLite refuses such a one at once. '
            .($this->knowsTransactionMode()
                ? "Set 'transaction_mode' => 'IMMEDIATE' for it in config/database.php: then they wait for each other."
                : "Laravel can begin them so that they wait for each other ('transaction_mode' => 'IMMEDIATE' in config/database.php) from 12.26 on with"
                    .' PHP 8.4; here it takes a connection class that does (see docs/drivers.md of KQueue), or --concurrency=1.');
    }

    private function knowsTransactionMode(): bool
    {
        return PHP_VERSION_ID >= 80400
            && method_exists(SQLiteConnection::class, 'executeBeginTransactionStatement')
            && (new ReflectionMethod(SQLiteConnection::class, 'executeBeginTransactionStatement'))->class === SQLiteConnection::class;
    }

    /** Tried, with a database of its own: it depends on the setting, on the versions of Laravel and PHP, and on the application's own connection class. */
    private function areDeferred(string $name): bool
    {
        $file = null;

        try {
            $config = (new ConfigurationUrlParser)->parseConfiguration($this->app->make('config')->get("database.connections.{$name}"));

            // One that is in memory is each lane's own; one that is not there is in nobody's use.
            if (($config['driver'] ?? '') !== 'sqlite' || ! is_file($config['database'] ?? '')) {
                return false;
            }

            $file = (string) tempnam(sys_get_temp_dir(), 'kqueue-sqlite-');
            $connection = $this->app->make('db.factory')->make(['database' => $file] + $config, 'kqueue');
            $connection->beginTransaction();

            try {
                (new PDO("sqlite:{$file}", options: [PDO::ATTR_TIMEOUT => 0, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]))->exec('BEGIN IMMEDIATE');

                return true;
            } catch (PDOException) {
                return false;
            } finally {
                $connection->rollBack();
                $connection->disconnect();
            }
        } catch (Throwable) {
            return false;
        } finally {
            if ($file !== null) {
                array_map(unlink(...), array_filter([$file, "{$file}-wal", "{$file}-shm", "{$file}-journal"], is_file(...)));
            }
        }
    }
}
