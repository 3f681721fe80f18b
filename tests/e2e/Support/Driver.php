<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\Support;

use Illuminate\Queue\RedisQueue;

require_once dirname(__DIR__, 2).'/phpt/lib/servers.inc';

/** A kind of queue connection, with a server that all tests share (a real one, but for SQS): what the application's config has for it. */
final class Driver
{
    /** @var array<string, self> */
    private static array $known = [];

    /** @var list<resource> */
    private static array $pipes = [];

    /**
     * @param  array<string, mixed>  $config  names with dots, and what they are set to
     * @param  bool  $givesBack  whether KQueue can give back the jobs of a runner that died
     */
    private function __construct(public readonly string $name, public readonly array $config, public readonly bool $givesBack = true) {}

    /** @return string|null why it cannot be tested here */
    public static function lacks(string $name): ?string
    {
        $missing = match (strtok($name, '-')) {
            'phpredis' => extension_loaded('redis') ? null : 'the PHP extension redis',
            'predis' => class_exists('Predis\Client') ? null : 'Predis',
            'beanstalkd' => class_exists('Pheanstalk\Values\TubeName') ? null : 'Pheanstalk 5 or newer',
            default => null,
        };
        $programs = match (strtok($name, '-')) {
            'phpredis', 'predis' => ['redis-server', 'redis-cli', 'openssl'],
            'mariadb' => ['mariadbd'],
            'pgsql' => ['postgres', 'initdb'],
            'beanstalkd' => ['beanstalkd'],
            default => [],
        };

        foreach ($programs as $program) {
            $missing ??= program($program) === null ? "the program {$program}" : null;
        }

        return $missing === null ? null : "{$name} is not tested: {$missing} is not here.";
    }

    public static function named(string $name): self
    {
        putenv('KQUEUE_TEST_SERVER_SECONDS=900');

        return self::$known[$name] ??= match (strtok($name, '-')) {
            'phpredis', 'predis' => self::redis($name, ...explode('-', "{$name}-")),
            'sqlite' => new self($name, self::queue($name, ['driver' => 'database', 'table' => 'jobs'])),
            'mariadb' => self::database($name, 'mysql', self::server('mysql', mysql_server(...))['port']),
            'pgsql' => self::database($name, 'pgsql', self::server('postgres', postgres_server(...))['port']),
            'beanstalkd' => new self($name, self::queue($name, ['driver' => 'beanstalkd', 'host' => '127.0.0.1', 'port' => beanstalkd_server()]), false),
            'sqs' => self::sqs($name),
            'file' => new self($name, self::queue($name, ['driver' => 'file', 'path' => tempnam(sys_get_temp_dir(), 'kqueue'), 'retry_after' => 5]), false),
        };
    }

    /** @param  string  $where  "", or "tls" or "cluster" */
    private static function redis(string $name, string $client, string $where): self
    {
        ['port' => $port, 'tls' => $tls, 'certificate' => $certificate] = self::server('redis', redis_server(...));
        $host = ['host' => '127.0.0.1', 'port' => $port];
        // As an application has it that keeps its queue apart from its cache.
        $connections = match ($where) {
            'tls' => ['queues' => ['scheme' => 'tls', 'port' => $tls, 'database' => 5, 'context' => ['stream' => $ssl = ['cafile' => $certificate]], 'ssl' => $ssl] + $host],
            'cluster' => ['clusters.queues' => array_map(static fn (int $port): array => ['port' => $port] + $host, self::server('cluster', redis_cluster(...)))],
            default => ['queues' => ['database' => $client === 'predis' ? 4 : 3, 'prefix' => "{$client}:"] + $host],
        };
        $config = ['database.redis.client' => $client, 'database.redis.options' => ['prefix' => 'kq:', 'cluster' => 'redis']];

        foreach ($connections as $connection => $values) {
            $config["database.redis.{$connection}"] = $values;
        }

        // Before Laravel 13, a queue's name has to see to it that all of its keys are on one node.
        $isTagged = $where === 'cluster' && ! method_exists(RedisQueue::class, 'getQueueRedisKey');
        $queue = ['driver' => 'redis', 'connection' => 'queues', 'queue' => $isTagged ? '{work}' : 'work', 'block_for' => $where === 'tls' ? 1 : null];

        return new self($name, $config + self::queue($name, $queue));
    }

    private static function database(string $name, string $connection, int $port): self
    {
        return new self($name, [
            "database.connections.{$connection}.port" => $port,
        ] + self::queue($name, ['driver' => 'database', 'connection' => $connection, 'table' => 'jobs']));
    }

    private static function sqs(string $name): self
    {
        $address = self::server('sqs', static function (): string {
            $server = proc_open([PHP_BINARY, __DIR__.'/sqs-server.php'], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
            at_end(static fn () => proc_terminate($server));
            // Its standard input is open as long as this process lives, and it as long as that.
            self::$pipes = $pipes;

            return first_line($pipes[1]);
        });

        return new self($name, self::queue($name, [
            'driver' => 'sqs', 'region' => 'eu-west-1', 'key' => 'a', 'secret' => 'b', 'endpoint' => "http://{$address}", 'prefix' => "http://{$address}/0",
        ]), false);
    }

    /**
     * @param  array<string, mixed>  $values
     * @return array<string, mixed>
     */
    private static function queue(string $name, array $values): array
    {
        return ["queue.connections.{$name}" => $values + ['queue' => 'work', 'retry_after' => 90]];
    }

    /** One server for all connections that can use it. */
    private static function server(string $kind, callable $start): mixed
    {
        static $servers = [];

        return $servers[$kind] ??= $start();
    }
}
