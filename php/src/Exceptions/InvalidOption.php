<?php

declare(strict_types=1);

namespace KQueue\Exceptions;

use InvalidArgumentException;

/** kqueue:run was asked for something that cannot be; every message is one line that says what would do. */
final class InvalidOption extends InvalidArgumentException
{
    public static function noExtension(): self
    {
        return new self(
            'kqueue:run needs the kqueue extension: add "extension=kqueue" to the php.ini of '.PHP_BINARY
            .', or run php with -d extension=/path/to/kqueue.so.'
        );
    }

    /** @param  list<string>  $known */
    public static function unknownConnection(string $name, array $known): self
    {
        return new self("The queue connection [{$name}] is not configured. Configured are: ".implode(', ', $known).'.');
    }

    public static function notAQueue(string $name, string $driver): self
    {
        return new self(
            "The queue connection [{$name}] has the driver \"{$driver}\", which keeps no jobs for a worker. Choose one such as redis or database."
        );
    }

    public static function notANumber(string $option, string $value, string $wanted): self
    {
        return new self("--{$option} must be {$wanted}, not \"{$value}\".");
    }

    /** @param  list<string>  $known */
    public static function unknownDatabase(string $name, array $known): self
    {
        return new self("config kqueue.connections.max names the database connection [{$name}], which is not configured. Configured are: ".implode(', ', $known).'.');
    }

    public static function notALimit(string $name, string $limit): self
    {
        return new self("config kqueue.connections.max must have a whole number of at least 1 for [{$name}], not \"{$limit}\".");
    }

    public static function unknownLanes(string $value): self
    {
        return new self("config kqueue.lanes must be auto, cloned or booted, not \"{$value}\".");
    }
}
