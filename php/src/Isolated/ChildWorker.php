<?php

declare(strict_types=1);

namespace KQueue\Isolated;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\WorkerOptions;
use KQueue\Contracts\Engine;
use KQueue\Lane\Lane;
use KQueue\Lane\LaneWorker;
use KQueue\Lane\Leftovers;
use KQueue\Process\Image;
use KQueue\Process\Settings;
use Throwable;

/**
 * An ordinary queue worker that is given its jobs by lanes instead of the queue: in an isolated child, on the application that
 * the master booted; for a fresh job, on a pristine one inside the lane.
 */
final class ChildWorker
{
    public function __construct(
        private readonly Application $app,
        private readonly Engine $engine,
        private readonly LaneWorker $worker,
        private readonly WorkerOptions $options,
    ) {}

    /**
     * For a fresh job: what the engine calls in the pristine application.
     *
     * @param  array<string, mixed>  $settings
     */
    public static function fresh(array $settings, string $request): string
    {
        $app = Lane::application($settings);
        $child = new self($app, $app->make(Engine::class), $app->make('queue.worker'), Settings::fromArray($settings)->workerOptions());

        try {
            return $child($request);
        } finally {
            Lane::end($app);
        }
    }

    /** @return string empty, or why the job could not be run; how a job ended that ran was told by ChildJob */
    public function __invoke(string $request): string
    {
        $leftovers = new Leftovers($this->app, $this->worker);
        $job = null;

        try {
            $values = unserialize($request, ['allowed_classes' => false]);
            $job = new ChildJob($this->app, $this->engine, $values);

            $this->worker->startAfresh();
            $this->worker->run($values['connection'], $job, $this->options);

            return '';
        } catch (Throwable $e) {
            return get_class($e).': '.$e->getMessage();
        } finally {
            $leftovers->remove($job?->resolveName() ?? 'A job');
            $this->reconnect();
        }
    }

    private function reconnect(): void
    {
        // Where queue:work would end and be started anew, connecting again is enough.
        if ($this->worker->hasLostConnection()) {
            Image::close($this->app);
            $this->worker->lostConnection = false;
        }
    }
}
