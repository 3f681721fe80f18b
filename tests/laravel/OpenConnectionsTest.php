<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use KQueue\Connections\OpenConnections;
use KQueue\Tests\Laravel\Fixtures\RedisServer;
use Monolog\Handler\BufferHandler;
use Monolog\Handler\FingersCrossedHandler;
use Monolog\Handler\RotatingFileHandler;
use Monolog\Handler\StreamHandler;
use Monolog\Handler\WhatFailureGroupHandler;
use Monolog\Logger as Monolog;

final class OpenConnectionsTest extends TestCase
{
    public function test_what_was_open_is_closed_named_and_opened_again_when_needed(): void
    {
        $this->app['db']->select('select 1');
        $this->app['config']->set('database.redis.default.port', RedisServer::port() ?? self::markTestSkipped('There is no redis-server, or no phpredis.'));
        $this->app->forgetInstance('redis');
        $this->app['redis']->connection()->ping();
        $before = $this->openSockets();

        self::assertSame(['database connection [sqlite]', 'Redis connection [default]'], OpenConnections::close($this->app));
        self::assertSame($before - 1, $this->openSockets());
        self::assertNull($this->app['db']->connection()->getRawPdo());
        self::assertSame([], $this->app['redis']->connections());

        self::assertSame([], OpenConnections::close($this->app));

        self::assertCount(1, $this->app['db']->select('select 1'));
        self::assertNotFalse($this->app['redis']->connection()->ping());
    }

    public function test_nothing_is_made_to_be_closed(): void
    {
        $app = $this->boot();

        self::assertSame([], OpenConnections::close($app));
        self::assertFalse($app->resolved('redis'));
    }

    public function test_queue_objects_are_forgotten(): void
    {
        $queue = $this->app['queue']->connection('database');
        OpenConnections::close($this->app);

        self::assertNotSame($queue, $this->app['queue']->connection('database'));
    }

    public function test_log_files_are_closed_wherever_their_handlers_are_and_opened_again(): void
    {
        $folder = sys_get_temp_dir().'/kqueue-logs-'.getmypid();
        $file = static fn (string $name): StreamHandler => new StreamHandler("{$folder}/{$name}.log");
        $given = new StreamHandler(fopen('php://memory', 'w'));
        $handlers = ['plain' => $plain = $file('plain'), 'burns' => $burns = $file('burns'), 'grouped' => $grouped = $file('grouped'), 'rotated' => $rotated = new RotatingFileHandler("{$folder}/rotated.log", 2)];
        $this->app['log']->extend('mine', static fn () => new Monolog('mine', [
            $plain, new FingersCrossedHandler($burns), new WhatFailureGroupHandler([new BufferHandler($grouped, flushOnOverflow: true, bufferLimit: 1)]), $given,
        ]));
        $this->app['config']->set('logging.channels.mine', ['driver' => 'mine']);
        $this->app->instance('audit.log', new Monolog('audit', [$rotated]));
        $log = function (): void {
            $this->app['log']->channel('mine')->error('one');
            $this->app['log']->channel('mine')->error('two');
            $this->app['audit.log']->error('one');
            $this->app['audit.log']->error('two');
        };
        $open = static fn (): array => array_keys(array_filter($handlers, static fn (StreamHandler $handler): bool => is_resource($handler->getStream())));

        try {
            $log();
            self::assertSame(array_keys($handlers), $open());
            OpenConnections::close($this->app);
            self::assertSame([], $open());
            self::assertIsResource($given->getStream());
            $log();
            self::assertSame(array_keys($handlers), $open());
            self::assertCount(4, file("{$folder}/plain.log"));
        } finally {
            array_map(unlink(...), glob("{$folder}/*"));
            @rmdir($folder);
        }
    }

    private function openSockets(): int
    {
        return count(array_filter(glob('/proc/self/fd/*'), static fn (string $fd): bool => str_starts_with((string) @readlink($fd), 'socket:')));
    }
}
