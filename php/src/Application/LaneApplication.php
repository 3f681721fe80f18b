<?php

declare(strict_types=1);

namespace KQueue\Application;

use Illuminate\Container\Container;
use Illuminate\Contracts\Foundation\Application;
use KQueue\Connections\OpenConnections;
use Throwable;

/** The application of a lane, from the lane's beginning to its end. */
final class LaneApplication
{
    /** @param  array<string, mixed>  $settings */
    public static function begin(array $settings): Application
    {
        return $settings['cloned'] ? Container::getInstance() : Template::boot($settings);
    }

    /** An application holds itself, so it goes only when cycles are collected; its connections must not stay open until then. */
    public static function end(Application $app): void
    {
        try {
            OpenConnections::close($app);
        } catch (Throwable) {
            // What could not be closed goes with its object.
        }
    }
}
