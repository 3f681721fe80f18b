<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\Support;

require_once dirname(__DIR__, 2).'/phpt/lib/servers.inc';

/** A Redis server on a free port, which ends with the tests. */
final class RedisServer
{
    private static ?self $shared = null;

    private function __construct(public readonly int $port, private readonly mixed $process) {}

    /** The port of the one that all tests share. */
    public static function port(): int
    {
        return (self::$shared ??= self::start())->port;
    }

    public static function start(?int $port = null, int $databases = 16): self
    {
        $port ??= free_port();
        $server = new self($port, proc_open(
            ['timeout', '1800', 'redis-server', '--port', (string) $port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--databases', (string) $databases],
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
            $pipes,
        ));

        $owner = getmypid();
        register_shutdown_function(static fn () => $owner === getmypid() && $server->stop());

        for ($tries = 0; $tries < 100 && ! @fsockopen('127.0.0.1', $port); $tries++) {
            usleep(50_000);
        }

        return $server;
    }

    public function stop(): void
    {
        if (is_resource($this->process)) {
            proc_terminate($this->process);
            proc_close($this->process);
        }
    }
}
