<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use KQueue\Process\Image;
use KQueue\Tests\Laravel\Fixtures\RedisServer;

final class ImageTest extends TestCase
{
    public function test_what_was_open_is_closed_named_and_opened_again_when_needed(): void
    {
        $this->app['db']->select('select 1');
        $this->app['config']->set('database.redis.default.port', RedisServer::port() ?? self::markTestSkipped('There is no redis-server, or no phpredis.'));
        $this->app->forgetInstance('redis');
        $this->app['redis']->connection()->ping();
        $before = $this->openSockets();

        self::assertSame(['database connection [sqlite]', 'Redis connection [default]'], Image::close($this->app));
        self::assertSame($before - 1, $this->openSockets());
        self::assertNull($this->app['db']->connection()->getRawPdo());
        self::assertSame([], $this->app['redis']->connections());

        self::assertSame([], Image::close($this->app));

        self::assertCount(1, $this->app['db']->select('select 1'));
        self::assertNotFalse($this->app['redis']->connection()->ping());
    }

    public function test_nothing_is_made_to_be_closed(): void
    {
        $app = $this->boot();

        self::assertSame([], Image::close($app));
        self::assertFalse($app->resolved('redis'));
    }

    public function test_queue_objects_are_forgotten(): void
    {
        $queue = $this->app['queue']->connection('database');
        Image::close($this->app);

        self::assertNotSame($queue, $this->app['queue']->connection('database'));
    }

    private function openSockets(): int
    {
        return count(array_filter(glob('/proc/self/fd/*'), static fn (string $fd): bool => str_starts_with((string) @readlink($fd), 'socket:')));
    }
}
