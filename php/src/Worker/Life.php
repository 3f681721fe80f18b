<?php

declare(strict_types=1);

namespace KQueue\Worker;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\WorkerOptions;
use KQueue\Support\Clock;
use KQueue\Support\Laravel;
use KQueue\Support\Settings;
use Symfony\Component\Console\Output\NullOutput;
use Throwable;

/**
 * What an application that runs jobs is told of its worker, from its first job to its end, as one in a queue:work process is: packages
 * write down then what they have kept. To the application its lane, or its isolated child, is the worker.
 */
final class Life
{
    /** Seconds after a job in which no next one came: queue:work would have looped by then. */
    private const PAUSE = 1.0;

    private readonly WorkerOptions $options;

    private readonly float $flush;

    private bool $began = false;

    private bool $over = false;

    private int $jobs = 0;

    /** By the monotonic clock: when the last job ended, if one has. */
    private ?float $workedAt = null;

    /** Whether Looping has been told since. */
    private bool $looped = false;

    public function __construct(private readonly Application $app, private readonly LaneWorker $worker, private readonly Settings $settings)
    {
        $this->options = $settings->workerOptions();
        $this->flush = $settings->flush > 0 ? $settings->flush : INF;
    }

    /** The worker starts, if it has not yet. */
    public function begin(): void
    {
        if ($this->began || $this->over) {
            return;
        }

        $this->began = true;
        $this->tell($this->settings->once ? null : Laravel::workerStarting($this->settings->connection, $this->settings->queue, $this->options));
    }

    /** A job is at hand: what listeners throw now is not to cost it an attempt. */
    public function beginForJob(): void
    {
        $this->guard($this->begin(...));
    }

    /** The worker looks for a job, so its last one is over. Nobody can object: that is for those to whom the leader tells it. */
    public function loop(): void
    {
        $this->looped = true;

        if ($this->began && ! $this->over && ! $this->settings->once) {
            $this->guard(fn () => $this->tell(new Looping($this->settings->connection, $this->settings->queue, $this->options)));
        }
    }

    /** A job has ended. */
    public function worked(): void
    {
        $this->jobs++;
        $this->workedAt = Clock::now();
        $this->looped = false;
    }

    /** Seconds until `rest` has something to do; null: for ever. */
    public function patience(): ?float
    {
        if ($this->workedAt === null || $this->over || $this->flush === INF) {
            return null;
        }

        return max(0.001, $this->workedAt + ($this->looped ? $this->flush : min(self::PAUSE, $this->flush)) - Clock::now());
    }

    /** There is no job. True: there was none for so long that the worker is to end. */
    public function rest(): bool
    {
        $rested = $this->workedAt === null || $this->over ? 0.0 : Clock::now() - $this->workedAt;

        if (! $this->looped && $rested >= self::PAUSE) {
            $this->loop();
        }

        return $this->workedAt !== null && $rested >= $this->flush;
    }

    /** It was cut off by exit(): a worker's application would be told no more. */
    public function breakOff(): void
    {
        $this->over = true;
    }

    /**
     * The worker stops, and its command ends.
     *
     * @param  bool  $stops  false: something was thrown, and it does not come to tell that it stops
     */
    public function end(int $status, ?string $reason, bool $stops = true): void
    {
        if ($this->over || (! $this->began && $this->jobs === 0)) {
            return;
        }

        $this->over = true;

        if ($stops && $this->began && ! $this->settings->once) {
            $this->guard(fn () => $this->tell(Laravel::workerStopping(
                $status,
                $this->options,
                $reason,
                $this->jobs,
                $this->workedAt,
                $this->settings->connection,
                $this->settings->queue,
            )));
        }

        $this->guard(fn () => AsQueueWork::end($this->app, $this->settings->input, new NullOutput, $status));
    }

    private function tell(?object $event): void
    {
        if ($event !== null) {
            $this->app->make('events')->dispatch($event);
        }
    }

    private function guard(callable $tell): void
    {
        try {
            $tell();
        } catch (Throwable $e) {
            $this->worker->report($e);
        }
    }
}
