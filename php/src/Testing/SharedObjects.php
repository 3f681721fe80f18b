<?php

declare(strict_types=1);

namespace KQueue\Testing;

use Closure;
use ReflectionClass;

/** The objects that cloned lanes share because config kqueue.shared says so: no job may change them. */
final class SharedObjects
{
    /** Arrays in properties are looked at this deep. */
    private const DEPTH = 4;

    /**
     * In a lane: all that can be reached from an object and from the static properties of loaded classes.
     *
     * @param  list<class-string>  $classes
     * @return array<string, string> by class, number of the object and property: what it holds
     */
    public static function in(object $root, array $classes): array
    {
        if ($classes === []) {
            return [];
        }

        $found = $seen = [];
        $pending = [$root];

        foreach (get_declared_classes() as $class) {
            $reflection = new ReflectionClass($class);

            if (! $reflection->isInternal() && ! str_starts_with($class, 'KQueue\Testing\\')) {
                $pending[] = $reflection->getStaticProperties();
            }
        }

        while ($pending !== []) {
            $value = array_pop($pending);

            if (is_object($value)) {
                if (isset($seen[$id = spl_object_id($value)])) {
                    continue;
                }

                $seen[$id] = true;
                $properties = $value instanceof Closure ? [] : (array) $value;

                foreach ($classes as $class) {
                    if ($value instanceof $class) {
                        $found += self::describe($value, $id, $properties);
                    }
                }

                $value = $properties;
            }

            foreach ($value as $element) {
                if (is_object($element) || is_array($element)) {
                    $pending[] = $element;
                }
            }
        }

        return $found;
    }

    /**
     * @param  array<string, string>  $before
     * @param  array<string, string>  $after
     * @return list<string>
     */
    public static function changed(array $before, array $after): array
    {
        $changes = [];

        foreach ($before as $name => $value) {
            if (isset($after[$name]) && $after[$name] !== $value) {
                $changes[] = 'a job changed '.preg_replace('/#\d+/', '', $name)." from {$value} to {$after[$name]}, which lanes share because of config kqueue.shared";
            }
        }

        return $changes;
    }

    /**
     * @param  array<string, mixed>  $properties
     * @return array<string, string>
     */
    private static function describe(object $object, int $id, array $properties): array
    {
        $described = [];

        foreach ($properties as $name => $value) {
            $name = substr($name, (int) strrpos("\0{$name}", "\0"));
            $described[$object::class."#{$id}::\${$name}"] = substr((string) json_encode(self::plain($value, 0), JSON_PARTIAL_OUTPUT_ON_ERROR), 0, 300);
        }

        return $described;
    }

    /** Objects count by what they are, not by what they hold. */
    private static function plain(mixed $value, int $depth): mixed
    {
        return match (true) {
            is_object($value) => $value::class.'#'.spl_object_id($value),
            is_array($value) => $depth < self::DEPTH ? array_map(static fn (mixed $element): mixed => self::plain($element, $depth + 1), $value) : count($value),
            is_resource($value) => get_debug_type($value),
            default => $value,
        };
    }
}
