<?php

declare(strict_types=1);

namespace KQueue\Lane;

use Illuminate\Contracts\Foundation\Application;
use KQueue\Connections\OpenConnections;
use KQueue\Contracts\LaneContext;
use KQueue\Support\Clock;
use Throwable;

/**
 * A lane's connections between two jobs. It keeps them for its next one, but not for long, and not those that other lanes wait
 * for.
 */
final class IdleConnections
{
    private float $usedAt;

    public function __construct(private readonly Application $app, private readonly LaneContext $engine, private readonly float $idle)
    {
        $this->usedAt = Clock::now();
    }

    /** Seconds that this lane may stand in line before it closes what it has; null: it has nothing, or may keep it. */
    public function patience(): ?float
    {
        return $this->idle > 0 && OpenConnections::holdsConnections($this->app) ? $this->idle : null;
    }

    /** A job has ended. */
    public function jobEnded(): void
    {
        $this->usedAt = Clock::now();
        $this->giveWay();
    }

    /** The lane has no job: it leads, or was called out of the line. */
    public function tidy(): void
    {
        $this->giveWay();

        if (($this->idle > 0 && Clock::now() - $this->usedAt >= $this->idle) || $this->engine->isShort()) {
            $this->usedAt = Clock::now();
            $this->guard(fn () => OpenConnections::close($this->app));
        }
    }

    private function giveWay(): void
    {
        foreach ($this->engine->wanted() as $name) {
            $this->guard(fn () => $this->app->make('db')->connection($name)->disconnect());
        }
    }

    private function guard(callable $close): void
    {
        try {
            $close();
        } catch (Throwable) {
            // What could not be closed goes with its object.
        }
    }
}
