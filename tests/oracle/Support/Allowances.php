<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

/** What kqueue:run has to do where it is meant to differ from queue:work: allowances.php. */
final class Allowances
{
    /** They concern all cases. */
    public const ALWAYS = ['isolated-events'];

    /** @return array<string, callable(array<string, mixed>, string): array<string, mixed>> */
    public static function all(): array
    {
        static $all;

        return $all ??= require dirname(__DIR__).'/allowances.php';
    }

    /**
     * @param  list<string>  $keys
     * @param  array<string, mixed>  $trace  of queue:work
     * @param  string  $mode  of kqueue:run
     * @return array<string, mixed>
     */
    public static function apply(array $keys, array $trace, string $mode): array
    {
        foreach ($keys as $key) {
            $trace = (self::all()[$key])($trace, $mode);
        }

        return $trace;
    }
}
