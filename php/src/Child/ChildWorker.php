<?php

declare(strict_types=1);

namespace KQueue\Child;

use Closure;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Queue\Interruptible;
use Illuminate\Queue\Jobs\Job;
use Illuminate\Queue\WorkerOptions;
use KQueue\Application\LaneApplication;
use KQueue\Connections\OpenConnections;
use KQueue\Contracts\ChildLink;
use KQueue\Contracts\Engine;
use KQueue\Support\JobName;
use KQueue\Support\Settings;
use KQueue\Worker\JobCleanup;
use KQueue\Worker\LaneWorker;
use KQueue\Worker\Life;
use Throwable;

/**
 * An ordinary queue worker that is given its jobs by lanes instead of the queue: in an isolated child, on the application that
 * the master booted; for a fresh job, on a pristine one inside the lane.
 */
final class ChildWorker
{
    /** Of the fresh job in this lane; static, so that it is found from outside in whatever application is live. */
    private static ?LaneWorker $fresh = null;

    /** What the master sends instead of a stop signal is this number less that signal's: a child ends when its job has ended. */
    private const TOLD = 64;

    private readonly WorkerOptions $options;

    private readonly Life $life;

    private ?JobCleanup $leftovers = null;

    private ChildJob|ChildRedisJob|null $job = null;

    private bool $guarded = false;

    public function __construct(
        private readonly Application $app,
        private readonly ChildLink $link,
        private readonly LaneWorker $worker,
        Settings $settings,
    ) {
        $this->options = $settings->workerOptions();
        $this->life = new Life($app, $worker, $settings);
    }

    /**
     * For a fresh job: what the engine calls in the pristine application.
     *
     * @param  array<string, mixed>  $settings
     */
    public static function fresh(array $settings, string $request): string
    {
        $app = LaneApplication::begin($settings);
        $engine = $app->make(Engine::class);
        $child = new self($app, $engine, self::$fresh = $app->make('queue.worker'), Settings::fromArray($settings));
        $result = '';

        try {
            $returned = $engine->contain(static function () use ($child, $request, &$result): void {
                $result = $child->run($request);
            });

            if ($returned) {
                $child->life->end(0, null);
            } else {
                $child->clearUp();
            }
        } finally {
            LaneApplication::end($app);
        }

        // Again: what the job called exit() for is to end here, but not before its connections are closed.
        return $returned ? $result : exit;
    }

    /** A stop signal came. */
    public static function interruptFresh(int $signal): void
    {
        self::$fresh?->interrupt($signal);
    }

    /** In an isolated child. An empty request: there are no more, or there was none for long, and the process ends. */
    public function __invoke(string $request): string
    {
        if ($request === '') {
            $this->life->end(0, null);

            return '';
        }

        return $this->run($request, $this->listen(...));
    }

    /** A job is told of stop signals if it wants to be: others are not to be woken from sleep(). As in queue:work, only with PHP's pcntl. */
    private function listen(Job $job): void
    {
        if (! function_exists('pcntl_signal') || ! function_exists('pcntl_async_signals')) {
            return;
        }

        $wants = is_a($job->payload()['data']['commandName'] ?? '', Interruptible::class, true);
        pcntl_async_signals(true);

        foreach ([SIGTERM, SIGINT, SIGQUIT] as $signal) {
            pcntl_signal(self::TOLD - $signal, $wants ? fn () => $this->worker->interrupt($signal) : SIG_IGN);
        }
    }

    /**
     * @param  (Closure(Job): void)|null  $prepare
     * @return string empty, or why the job could not be run; how a job ended that ran was told by ChildJob
     */
    private function run(string $request, ?Closure $prepare = null): string
    {
        $this->leftovers = new JobCleanup($this->app, $this->worker);
        $this->job = null;

        try {
            $values = unserialize($request, ['allowed_classes' => false]);
            $this->job = ChildJob::of($this->app, $this->link, $values);

            if ($prepare !== null) {
                $this->job->loadClass();
                $prepare($this->job);
            }

            $this->guarded = $this->guarded || ForkGuard::install($this->app, $this->link);
            $this->life->beginForJob();
            $this->life->loop();
            $this->worker->resetScope();
            $this->worker->run($values['connection'], $this->job, $this->options);

            return '';
        } catch (Throwable $e) {
            return get_class($e).': '.$e->getMessage();
        } finally {
            $this->clearUp();
        }
    }

    private function clearUp(): void
    {
        $this->askWhatWaited();
        $this->leftovers?->remove($this->job === null ? 'A job' : JobName::of($this->job));
        $this->askWhatWaited(rolledBack: true);
        $this->life->worked();
        $this->reconnect();
    }

    private function askWhatWaited(bool $rolledBack = false): void
    {
        try {
            $this->job?->askWhatWaited($rolledBack);
        } catch (Throwable $e) {
            $this->worker->report($e);
        }
    }

    private function reconnect(): void
    {
        // Where queue:work would end and be started anew, connecting again is enough.
        if ($this->worker->hasLostConnection()) {
            OpenConnections::close($this->app);
            $this->worker->forgetLostConnection();
        }
    }
}
