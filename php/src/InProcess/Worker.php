<?php

declare(strict_types=1);

namespace KQueue\InProcess;

use Illuminate\Container\Container;
use Illuminate\Contracts\Container\Container as Application;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Worker as LaravelsWorker;
use Illuminate\Queue\WorkerOptions;
use KQueue\Support\JobName;
use KQueue\Worker\JobCleanup;
use KQueue\Worker\LaneWorker;
use Throwable;

/**
 * In place of Laravel's worker (config kqueue.worker): queue:work, runNextJob() and daemon() are Laravel's own, in the calling process
 * and application, and each job ends as in a lane: a timeout ends the job and not the process, and what a job leaves open is closed.
 * Needs no extension.
 *
 * So tests that look at statics, at fakes or at a database in memory see what their jobs did.
 */
class Worker extends LaneWorker
{
    private ?Application $app = null;

    /** Whether the alarm is set for the next job, or for the one that runs. */
    private bool $armed = false;

    private bool $alarmRang = false;

    public static function in(Application $app, LaravelsWorker $worker): static
    {
        $own = static::from($worker, null, $app->bound('db') ? $app->make('db') : null);
        $own->app = $app;

        return $own;
    }

    #[\Override]
    public function timedOut(): bool
    {
        if ($this->alarmRang) {
            $this->disarm();
        }

        return $this->alarmRang;
    }

    /**
     * @param  Job  $job
     * @param  string  $connectionName
     * @return void
     */
    #[\Override]
    protected function runJob($job, $connectionName, WorkerOptions $options)
    {
        $leftovers = new JobCleanup($this->app ?? Container::getInstance(), $this);
        $this->jobBegins();
        $this->alarmRang = false;

        try {
            parent::runJob($job, $connectionName, $options);
        } catch (Throwable $e) {
            // Thrown beside the job: what is not its timeout is for whoever called the worker, as in Laravel.
            $this->timedOut() ? $this->failOutsideAttempt($job, $options, $e) : throw $e;
        } finally {
            // Not only after the pause that --rest asks for.
            $this->disarm();
        }

        $leftovers->remove(JobName::of($job));
    }

    /**
     * Laravel's kills the process. Its last two arguments are the job, or null, and the options; in newer versions there are others before.
     *
     * @param  mixed  ...$arguments
     * @return void
     */
    #[\Override]
    protected function registerTimeoutHandler(...$arguments)
    {
        [$job, $options] = array_slice($arguments, -2);
        $this->disarm();
        $seconds = $job === null ? 0 : (int) ceil((float) $this->timeoutForJob($job, $options));

        if ($seconds <= 0) {
            return;
        }

        // A job that catches it gets it again each second.
        pcntl_signal(SIGALRM, function () use ($job): void {
            $this->alarmRang = $this->armed = true;
            pcntl_alarm(1);

            throw $this->timeoutExceededException($job);
        }, false);

        pcntl_alarm($seconds);
        $this->armed = true;
    }

    /** An alarm of somebody else's stays. */
    private function disarm(): void
    {
        if ($this->armed) {
            $this->armed = false;
            pcntl_alarm(0);
        }
    }
}
