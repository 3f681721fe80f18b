<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

require_once dirname(__DIR__, 2).'/phpt/lib/servers.inc';

/** A Redis server of the tests' own, on a free port; it ends with the tests. */
final class RedisServer
{
    private static mixed $process = null;

    /** @return int|null its port; null if there is no redis-server or no phpredis */
    public static function port(): ?int
    {
        static $port = null;

        if ($port !== null || ! extension_loaded('redis') || ! shell_exec('command -v redis-server')) {
            return $port;
        }

        $port = free_port();
        self::$process = proc_open(
            ['timeout', '600', 'redis-server', '--port', (string) $port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
            $pipes,
        );
        register_shutdown_function(static fn () => proc_terminate(self::$process));

        for ($tries = 0; $tries < 100 && ! @fsockopen('127.0.0.1', $port); $tries++) {
            usleep(50_000);
        }

        putenv("KQUEUE_TEST_REDIS_PORT={$port}");

        return $port;
    }
}
