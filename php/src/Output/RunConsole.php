<?php

declare(strict_types=1);

namespace KQueue\Output;

use Illuminate\Queue\Events\WorkerStopping;
use Symfony\Component\Console\Input\InputDefinition;

/** What lanes and the runner ask of the command that their run belongs to; in each application, its own. */
interface RunConsole
{
    /** The lines that the command prints of jobs. */
    public function lines(): JobOutput;

    /**
     * In a lane: registers the listeners that print each job's lines and write failed jobs, on this command's application.
     *
     * @param  array<string, mixed>  $input
     */
    public function listenInLane(array $input, LaneOutput $output): void;

    /**
     * Calls something while the command writes as it does in lanes.
     *
     * @template T
     *
     * @param  callable(): T  $callback
     * @return T
     */
    public function writingTo(LaneOutput $output, callable $callback): mixed;

    /** The run stops, and says so once: each lane's application has a worker of its own that stops. */
    public function stopped(WorkerStopping $event): void;

    /** @return InputDefinition the command's own arguments and options */
    public function getNativeDefinition(): InputDefinition;
}
