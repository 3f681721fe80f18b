<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Exception;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Foundation\Application;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Worker;
use LogicException;
use RuntimeException;

/** What applications set up when they boot, and some cases need: the environment names it. */
final class Wiring
{
    public static function boot(Application $app): void
    {
        foreach (array_filter(explode(',', (string) getenv('ORACLE_WIRING'))) as $method) {
            self::{$method}($app);
        }
    }

    public static function popBackwards(): void
    {
        Worker::popUsing('backwards', static function (callable $pop, string $queues): mixed {
            foreach (array_reverse(explode(',', $queues)) as $queue) {
                if ($job = $pop($queue)) {
                    return $job;
                }
            }

            return null;
        });
    }

    public static function memoryExitCode(): void
    {
        Worker::$memoryExceededExitCode = 99;
    }

    public static function timedOutExitCode(): void
    {
        Worker::$timedOutExitCode = 98;
    }

    public static function notRestartable(): void
    {
        Worker::$restartable = false;
    }

    public static function notPausable(): void
    {
        Worker::$pausable = false;
    }

    public static function withoutPolling(Application $app): void
    {
        $app['queue']->withoutInterruptionPolling();
    }

    public static function keepsRunning(): void
    {
        Worker::$stopOnLostConnection = false;
    }

    public static function unreported(): void
    {
        Worker::$reportJobExceptions = false;
    }

    public static function loopingVeto(Application $app): void
    {
        $app['events']->listen(Looping::class, static function (): ?bool {
            $file = getenv('KQUEUE_TEST_FOLDER').'/vetoes';
            file_put_contents($file, '.', FILE_APPEND);

            return filesize($file) <= 3 ? false : null;
        });
    }

    public static function queueLooping(Application $app): void
    {
        $app['queue']->looping(static fn () => Recorder::did('looping'));
    }

    public static function queueCallbacks(Application $app): void
    {
        $app['queue']->before(static fn () => Recorder::did('before'));
        $app['queue']->after(static fn () => Recorder::did('after'));
        $app['queue']->exceptionOccurred(static fn () => Recorder::did('exception occurred'));
        $app['queue']->failing(static fn () => Recorder::did('failing'));
        method_exists($app['queue'], 'starting') && $app['queue']->starting(static fn () => Recorder::did('starting'));
        $app['queue']->stopping(static fn () => Recorder::did('stopping'));
    }

    public static function throwsInProcessing(Application $app): void
    {
        self::throwsIn($app, JobProcessing::class);
    }

    public static function throwsInProcessed(Application $app): void
    {
        self::throwsIn($app, JobProcessed::class);
    }

    public static function throwsInOccurred(Application $app): void
    {
        self::throwsIn($app, JobExceptionOccurred::class);
    }

    public static function throwsInFailed(Application $app): void
    {
        self::throwsIn($app, JobFailed::class);
    }

    private static function throwsIn(Application $app, string $event): void
    {
        $app['events']->listen($event, static fn () => throw new RuntimeException('in a listener of '.class_basename($event)));
    }

    public static function deletesInProcessing(Application $app): void
    {
        $app['events']->listen(JobProcessing::class, static fn (JobProcessing $event): mixed => $event->job->delete());
    }

    public static function releasesInProcessing(Application $app): void
    {
        $app['events']->listen(JobProcessing::class, static fn (JobProcessing $event): mixed => $event->job->release(200));
    }

    public static function failsInProcessing(Application $app): void
    {
        $app['events']->listen(JobProcessing::class, static fn (JobProcessing $event): mixed => $event->job->fail(new Exception('by a listener')));
    }

    public static function dontRetry(Application $app): void
    {
        $app->make(ExceptionHandler::class)->dontRetry(LogicException::class);
    }

    public static function reportsItself(Application $app): void
    {
        $app->make(ExceptionHandler::class)->reportable(static function (LogicException $e): bool {
            Recorder::did('reported elsewhere', $e);

            return false;
        });
    }
}
