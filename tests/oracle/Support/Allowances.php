<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

/** What kqueue:run has to do where it is meant to differ from queue:work: allowances.php. */
final class Allowances
{
    /** They concern all cases. */
    public const ALWAYS = ['isolated-events', 'lines', 'json', 'profile', 'worker-events'];

    /** @return array<string, (callable(array<string, mixed>, array<string, mixed>, string): void)|null> */
    public static function all(): array
    {
        static $all;

        return $all ??= require dirname(__DIR__).'/allowances.php';
    }

    /**
     * @param  list<string>  $keys
     * @param  array<string, mixed>  $expected  of queue:work
     * @param  array<string, mixed>  $actual  of kqueue:run
     * @param  string  $mode  of kqueue:run
     */
    public static function apply(array $keys, array &$expected, array &$actual, string $mode): void
    {
        foreach ($keys as $key) {
            (self::all()[$key])($expected, $actual, $mode);
        }
    }
}
