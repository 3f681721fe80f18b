<?php

declare(strict_types=1);

namespace KQueue\Connections;

use Illuminate\Container\Container;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Database\Connectors\ConnectionFactory;
use Illuminate\Database\Connectors\ConnectorInterface;
use KQueue\Contracts\Engine;
use KQueue\Contracts\Permits;
use PDO;
use WeakMap;

/**
 * Connects to a database when the lane has a permit for it. The permit lives as long as the PDO, whoever holds that.
 *
 * Laravel asks its container for "db.connector.<driver>" before it makes a connector itself; the same from Laravel 10 to 13.31.
 */
final class LimitedConnector implements ConnectorInterface
{
    private const DRIVERS = ['mysql', 'mariadb', 'pgsql', 'sqlite', 'sqlsrv'];

    /** @var WeakMap<PDO, Permit>|null of this lane: static, so that it goes with the lane and not with its container's cycles */
    private static ?WeakMap $permits = null;

    /** @param  array<string, int>  $limits  by the connection's name */
    public function __construct(
        private readonly ConnectorInterface $connector,
        private readonly Permits $pool,
        private readonly array $limits,
    ) {}

    /** @param  array<string, int>  $limits */
    public static function install(Application $app, array $limits): void
    {
        foreach ($limits === [] ? [] : self::DRIVERS as $driver) {
            $key = "db.connector.{$driver}";
            $limit = static fn (ConnectorInterface $connector, $app): self => new self($connector, $app->make(Engine::class), $limits);

            if ($app->bound($key)) {
                $app->extend($key, $limit);
            } else {
                $app->bind($key, static fn ($app): self => $limit((new ConnectionFactory(new Container))->createConnector(['driver' => $driver]), $app));
            }
        }
    }

    /** @param  array<string, mixed>  $config */
    public function connect(array $config)
    {
        $name = $config['name'] ?? '';

        if (! isset($this->limits[$name])) {
            return $this->connector->connect($config);
        }

        // Given back at once if connecting fails.
        $permit = new Permit($this->pool, $this->pool->permit($name, $this->limits[$name]));
        $pdo = $this->connector->connect($config);

        self::$permits ??= new WeakMap;
        self::$permits[$pdo] = $permit;

        return $pdo;
    }
}
