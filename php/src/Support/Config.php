<?php

declare(strict_types=1);

namespace KQueue\Support;

use Illuminate\Contracts\Foundation\Application;

/** The application's config kqueue. What it leaves out, also within a group, is as php/config/kqueue.php has it: the defaults are there only. */
final class Config
{
    public const FILE = __DIR__.'/../../config/kqueue.php';

    /** @return array<string, mixed> */
    public static function of(Application $app): array
    {
        return self::completed(require self::FILE, (array) $app->make('config')->get('kqueue', []));
    }

    /**
     * @param  array<string, mixed>  $defaults
     * @param  array<string, mixed>  $given
     * @return array<string, mixed>
     */
    private static function completed(array $defaults, array $given): array
    {
        foreach ($given as $name => $value) {
            if ($value !== null) {
                $isGroup = is_array($value) && is_array($defaults[$name] ?? null) && ! array_is_list($value);
                $defaults[$name] = $isGroup ? self::completed($defaults[$name], $value) : $value;
            }
        }

        return $defaults;
    }
}
