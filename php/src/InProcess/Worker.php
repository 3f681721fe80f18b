<?php

declare(strict_types=1);

namespace KQueue\InProcess;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Worker as LaravelsWorker;
use Illuminate\Queue\WorkerOptions;
use KQueue\Console\JobLines;
use KQueue\Lane\Lane;
use KQueue\Lane\LaneWorker;
use KQueue\Process\Settings;
use KQueue\Support\Laravel;
use Symfony\Component\Console\Output\NullOutput;

/**
 * In place of Laravel's worker (config kqueue.worker): queue:work, runNextJob() and daemon() run the loop of a lane, in the calling
 * process and application, one job at a time. Needs no extension.
 *
 * So tests that look at statics, at fakes or at a database in memory see what their jobs did. A timeout ends the job and not the process.
 */
final class Worker extends LaneWorker
{
    private Application $app;

    public static function in(Application $app, LaravelsWorker $worker): self
    {
        $own = self::from($worker, null, $app->bound('db') ? $app->make('db') : null);
        $own->app = $app;

        return $own;
    }

    /**
     * @param  string  $connectionName
     * @param  string  $queue
     * @return int
     */
    #[\Override]
    public function daemon($connectionName, $queue, WorkerOptions $options)
    {
        if ($this->supportsAsyncSignals()) {
            $this->listenForSignals($connectionName, $queue, $options);
        }

        $this->jobsProcessed = 0;

        if ($event = Laravel::workerStarting($connectionName, $queue, $options)) {
            $this->events->dispatch($event);
        }

        $state = $this->work($connectionName, $queue, $options, false);

        return $this->stop($state['status'], $options, Laravel::stopReason($state['reason']), $connectionName, $queue);
    }

    /**
     * @param  string  $connectionName
     * @param  string  $queue
     * @return void
     */
    #[\Override]
    public function runNextJob($connectionName, $queue, WorkerOptions $options)
    {
        $this->work($connectionName, $queue, $options, true);
    }

    /** @return array{status: int, reason: string|null} */
    private function work(string $connection, string $queue, WorkerOptions $options, bool $once): array
    {
        $engine = new Engine(
            fn (float $seconds) => $this->sleep($seconds),
            fn (): bool => (bool) $this->paused,
            function (int $jobs, ?float $at) use ($once): void {
                if (! $once) {
                    [$this->jobsProcessed, $this->lastJobProcessedAt] = [$jobs, $at];
                }
            },
        );
        $previous = $this->engine;
        $this->engine = $engine;

        try {
            $settings = $this->settings($connection, $queue, $options, $once);
            $lines = new JobLines(new NullOutput, false, $this->app->make('config'));
            $engine->run(fn () => Lane::in($this->app, $settings, $engine, $this, $lines)->run(), 1, false);
        } finally {
            $this->engine = $previous;
        }

        return $engine->state();
    }

    private function settings(string $connection, string $queue, WorkerOptions $options, bool $once): Settings
    {
        return new Settings(
            bootstrap: '',
            connection: $connection,
            queue: $queue,
            worker: get_object_vars($options),
            input: [],
            once: $once,
            concurrency: 1,
            lanes: 'booted',
            shared: [],
            isolated: 0,
            isolateAll: false,
            isolate: [],
            maxMemory: 0,
            grace: 0.0,
            childJobs: 1,
            verbosity: 0,
            decorated: false,
            restartedAt: $this->restartedAt(),
            startedAt: Settings::now(),
            autoSlice: 0.0,
            autoMemory: 0,
            idleConnections: 0.0,
            cloned: false,
            inProcess: true,
        );
    }
}
