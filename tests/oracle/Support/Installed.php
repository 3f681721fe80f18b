<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use Illuminate\Queue\Console\WorkCommand;
use ReflectionClass;

/** What the installed Laravel has. */
final class Installed
{
    /** @param  string  $what  a class, a class's member ("Class::name"), or an option of queue:work ("--name") */
    public static function has(string $what): bool
    {
        if (str_starts_with($what, '--')) {
            $signature = (new ReflectionClass(WorkCommand::class))->getDefaultProperties()['signature'];

            return preg_match('/\{'.preg_quote($what, '/').'[ =]/', $signature) === 1;
        }

        [$class, $member] = [...explode('::', $what), null];

        return $member === null
            ? class_exists($class) || interface_exists($class) || trait_exists($class)
            : method_exists($class, $member) || property_exists($class, $member) || defined($what);
    }
}
