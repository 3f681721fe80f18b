<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use SebastianBergmann\Diff\Differ;
use SebastianBergmann\Diff\Output\StrictUnifiedDiffOutputBuilder;

/** Where two nested arrays differ. */
final class Difference
{
    /** @return list<string> one line for each place */
    public static function between(mixed $expected, mixed $actual, string $path = ''): array
    {
        if (is_array($expected) && is_array($actual) && ! (self::isText($expected) && self::isText($actual))) {
            $lines = [];

            foreach (array_keys($expected + $actual) as $key) {
                $in = $path === '' ? (string) $key : "{$path} / {$key}";
                array_push($lines, ...match (true) {
                    ! array_key_exists($key, $actual) => ["{$in}: only queue:work has ".self::show($expected[$key])],
                    ! array_key_exists($key, $expected) => ["{$in}: only kqueue:run has ".self::show($actual[$key])],
                    default => self::between($expected[$key], $actual[$key], $in),
                });
            }

            return $lines;
        }

        return match (true) {
            $expected === $actual => [],
            is_array($expected) && is_array($actual) => ["{$path}:\n".self::lines($expected, $actual)],
            default => ["{$path}:\n    queue:work  ".self::show($expected)."\n    kqueue:run  ".self::show($actual)],
        };
    }

    /**
     * @param  list<string>  $expected
     * @param  list<string>  $actual
     */
    private static function lines(array $expected, array $actual): string
    {
        $short = static fn (string $line): string => str_starts_with($line, 'payload ') ? $line : mb_strimwidth($line, 0, 300, '…');
        $builder = new StrictUnifiedDiffOutputBuilder(['fromFile' => 'queue:work', 'toFile' => 'kqueue:run']);

        return rtrim((new Differ($builder))->diff(
            implode("\n", array_map($short, $expected))."\n", implode("\n", array_map($short, $actual))."\n",
        ));
    }

    /** Traces and lines are shown as a whole. */
    private static function isText(array $value): bool
    {
        return array_is_list($value) && array_filter($value, is_string(...)) === $value;
    }

    private static function show(mixed $value): string
    {
        return is_array($value) && self::isText($value)
            ? implode("\n                | ", $value)
            : json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
    }
}
