<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Container\Container;

/** What happened, in whatever process or lane: a file that is only appended to. */
final class Trace
{
    public static function add(string $what, mixed $detail = null): void
    {
        file_put_contents(self::file(), json_encode([
            'what' => $what,
            'detail' => $detail,
            'pid' => getmypid(),
            'app' => spl_object_id(Container::getInstance()),
            'at' => microtime(true),
        ])."\n", FILE_APPEND);
    }

    /** @return list<array{what: string, detail: mixed, pid: int, app: int, at: float}> */
    public static function all(?string $what = null): array
    {
        $all = array_map(static fn (string $line): array => json_decode($line, true), is_file(self::file()) ? file(self::file()) : []);

        return array_values(array_filter($all, static fn (array $entry): bool => $what === null || $entry['what'] === $what));
    }

    private static function file(): string
    {
        return getenv('KQUEUE_TEST_FOLDER').'/trace';
    }
}
