<?php

declare(strict_types=1);

namespace KQueue\Exception;

use InvalidArgumentException;

/** kqueue:run was asked for something that cannot be; every message is one line that says what would do. */
final class InvalidOption extends InvalidArgumentException implements KQueueException
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

    /** @param  list<string>  $others  connections that keep jobs; of a failover connection, those that it passes them on to */
    public static function notAQueue(string $name, string $driver, array $others): self
    {
        $what = match ($driver) {
            'sync' => 'runs each job at once where it is dispatched',
            'deferred' => 'runs each job after the response, in the process that dispatched it',
            'background' => 'starts a process for each job where it is dispatched',
            'null' => 'throws all jobs away',
            'failover' => 'passes jobs on to other connections',
        };
        $advice = match (true) {
            $driver === 'failover' => 'Run kqueue:run for each of them: '.implode(', ', $others).'.',
            $others === [] => 'Configure one such as redis or database, and dispatch to it.',
            default => 'Dispatch to one that keeps them and name it here: '.implode(', ', $others).'.',
        };

        return new self("The queue connection [{$name}] has the driver \"{$driver}\", which {$what} and keeps none for a worker. {$advice}");
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
