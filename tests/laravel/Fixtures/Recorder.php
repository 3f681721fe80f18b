<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use Closure;
use Illuminate\Container\Container;

/** What happened in any application of this process. */
final class Recorder
{
    /** @var list<string> */
    public static array $events = [];

    /** @var list<object> */
    public static array $payloads = [];

    /** @var list<string> */
    public static array $ran = [];

    /** @var list<int> the applications that jobs ran in, by object id */
    public static array $apps = [];

    /** @var list<Closure> called by each application that boots */
    public static array $onBoot = [];

    /** @var array<string, Closure> what TestJob does, by name */
    public static array $handlers = [];

    public static function reset(): void
    {
        self::$events = self::$payloads = self::$ran = self::$apps = self::$onBoot = self::$handlers = [];
    }

    public static function ran(string $what): void
    {
        self::$ran[] = $what;
        self::$apps[] = spl_object_id(Container::getInstance());
    }

    /** @return list<object> the events of a class */
    public static function all(string $event): array
    {
        return array_values(array_filter(self::$payloads, static fn (object $payload): bool => $payload instanceof $event));
    }
}
