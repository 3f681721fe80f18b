<?php

declare(strict_types=1);

namespace KQueue\Application;

use Closure;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Foundation\Application;
use ReflectionClass;

/**
 * A sample of what booting leaves in a process: in a lane that has just begun it must be the same. Where it is not, the lane lacks
 * something that only the first boot of a process does, and jobs would fail in it or, worse, not fail.
 */
final class Probe
{
    /** @return array<string, list<string>> by kind, sorted */
    public static function of(Application $app): array
    {
        $sample = [
            'bindings' => array_diff(array_keys($app->getBindings()), array_keys($app->getDeferredServices())),
            'listeners of' => array_keys($app->make('events')->getRawListeners()),
            'config' => array_keys($app->make('config')->all()),
            'the state of models' => self::models(),
            'macros' => self::macros(),
            'the time zone' => [date_default_timezone_get()],
        ];

        return array_map(static function (array $list): array {
            sort($list);

            return $list;
        }, $sample);
    }

    /**
     * @param  array<string, list<string>>  $process
     * @param  array<string, list<string>>  $lane
     * @return list<string> what the process has and the lane has not, in words
     */
    public static function missing(array $process, array $lane): array
    {
        $missing = [];

        foreach ($process as $kind => $list) {
            if ($lost = array_diff($list, $lane[$kind])) {
                $missing[] = "{$kind} ".implode(', ', array_slice($lost, 0, 3)).(count($lost) > 3 ? ' and '.(count($lost) - 3).' more' : '');
            }
        }

        return $missing;
    }

    /** @return list<string> what is true for all models */
    private static function models(): array
    {
        if (! class_exists(Model::class, false)) {
            return [];
        }

        return array_keys(array_filter((new ReflectionClass(Model::class))->getStaticProperties(), static fn (mixed $value): bool => $value === true));
    }

    /** @return list<string> */
    private static function macros(): array
    {
        $macros = [];

        foreach (get_declared_classes() as $class) {
            if (method_exists($class, 'hasMacro') && property_exists($class, 'macros')) {
                foreach (array_keys(Closure::bind(static fn (): array => $class::$macros, null, $class)()) as $name) {
                    $macros[] = "{$class}::{$name}()";
                }
            }
        }

        return $macros;
    }
}
