<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\Support;

/** A Redis server of the tests' own, on a free port, which ends with them. */
final class RedisServer
{
    private static ?int $port = null;

    private static mixed $process = null;

    public static function port(): int
    {
        if (self::$port !== null) {
            return self::$port;
        }

        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $port = (int) substr(strrchr(stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);

        self::$process = proc_open(
            ['timeout', '1800', 'redis-server', '--port', (string) $port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
            $pipes,
        );

        $owner = getmypid();
        register_shutdown_function(static fn () => $owner === getmypid() && proc_terminate(self::$process));

        for ($tries = 0; $tries < 100 && ! @fsockopen('127.0.0.1', $port); $tries++) {
            usleep(50_000);
        }

        return self::$port = $port;
    }
}
