<?php

declare(strict_types=1);

namespace KQueue\Isolated;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\WorkerOptions;
use KQueue\Contracts\Engine;
use KQueue\Lane\LaneWorker;
use KQueue\Process\Image;
use Throwable;

/**
 * An isolated child: an ordinary queue worker on the application that the master booted, given its jobs by lanes instead of
 * the queue.
 */
final class ChildWorker
{
    public function __construct(
        private readonly Application $app,
        private readonly Engine $engine,
        private readonly LaneWorker $worker,
        private readonly WorkerOptions $options,
    ) {}

    /** @return string empty, or why the job could not be run; how a job ended that ran was told by ChildJob */
    public function __invoke(string $request): string
    {
        $level = ob_get_level();

        try {
            $values = unserialize($request, ['allowed_classes' => false]);
            $job = ChildJob::of($this->app, $this->engine, $values);

            $this->worker->startAfresh();
            $this->worker->run($values['connection'], $job, $this->options);

            return '';
        } catch (Throwable $e) {
            return get_class($e).': '.$e->getMessage();
        } finally {
            $this->cleanUp($level);
        }
    }

    private function cleanUp(int $level): void
    {
        while (ob_get_level() > $level && @ob_end_flush());

        $this->worker->rollBackOpenTransactions();

        // Where queue:work would end and be started anew, connecting again is enough.
        if ($this->worker->hasLostConnection()) {
            Image::close($this->app);
            $this->worker->forgetLostConnection();
        }
    }
}
