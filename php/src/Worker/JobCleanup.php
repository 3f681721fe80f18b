<?php

declare(strict_types=1);

namespace KQueue\Worker;

use Illuminate\Contracts\Container\Container;

/** What a job may leave behind in the worker that ran it: output buffers, open transactions. */
final class JobCleanup
{
    private readonly int $outputLevel;

    /** Made before the job begins. */
    public function __construct(private readonly Container $app, private readonly LaneWorker $worker)
    {
        $this->outputLevel = ob_get_level();
    }

    /** @return bool whether there was nothing that forbids another job here */
    public function remove(string $job): bool
    {
        $buffers = $this->closeOutputBuffers();

        if ($buffers > 0) {
            $this->warn("{$job} left {$buffers} output buffer(s) open; what they held was printed.");
        }

        foreach ($this->worker->leftOpen() as $connection) {
            $this->warn(
                "{$job} left a transaction open on the database connection [{$connection}]; it was rolled back, with all that was done on this connection since."
            );
        }

        return $buffers === 0;
    }

    private function closeOutputBuffers(): int
    {
        $closed = 0;

        while (ob_get_level() > $this->outputLevel && @ob_end_flush()) {
            $closed++;
        }

        return $closed;
    }

    private function warn(string $message): void
    {
        $this->app->make('log')->warning($message);
    }
}
