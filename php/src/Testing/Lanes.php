<?php

declare(strict_types=1);

namespace KQueue\Testing;

use Closure;
use Illuminate\Bus\Dispatcher;
use Illuminate\Contracts\Bus\Dispatcher as DispatcherContract;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Jobs\SyncJob;
use Illuminate\Queue\SyncQueue;
use Illuminate\Queue\WorkerOptions;
use InvalidArgumentException;
use KQueue\Application\Template;
use KQueue\Engine;
use KQueue\Engine\NativeEngine;
use KQueue\Worker\LaneWorker;
use stdClass;
use Throwable;

/**
 * Runs of jobs in lanes within a test's process: by the real engine, by Laravel's worker and with the job's payload, but with no queue.
 *
 * @internal use the trait InteractsWithLanes
 */
final class Lanes
{
    /** @var list<string> what the jobs changed of what lanes share */
    public array $changes = [];

    /** @param  class-string  $test */
    public function __construct(
        private readonly Application $app,
        private readonly string $test,
        private readonly Closure $boot,
        private readonly ?Closure $before,
        private readonly ?Closure $observe,
        private readonly float $timeout,
    ) {}

    /**
     * @param  array<array-key, object>  $jobs
     * @return array<array-key, LaneResult>
     */
    public function together(array $jobs): array
    {
        return $this->run($jobs, true);
    }

    /**
     * One after another, each in a pristine lane.
     *
     * @param  array<array-key, object>  $jobs
     * @return array<array-key, LaneResult>
     */
    public function alone(array $jobs): array
    {
        return $this->run($jobs, false);
    }

    /**
     * @param  array<array-key, object>  $jobs
     * @return array<array-key, LaneResult>
     */
    private function run(array $jobs, bool $together): array
    {
        $boot = $this->boot;
        $shared = $this->app->make('config')->get('kqueue.shared', []);
        // What the application has of the test (closures that were made in it) stays the test's.
        $audit = Engine::template(static fn () => Template::settle($boot()), [...Template::SHARED, ...$shared, $this->test]);
        $cloned = $audit['refused'] === [];
        $shared = $cloned ? $shared : [];
        $process = new ProcessState;

        // Lanes and this test hold the same object: it is in no static property.
        $run = new stdClass;
        $run->waiting = array_map($this->work(...), $jobs);
        $run->begun = $run->awake = 0;
        $run->accounts = [];
        $run->objects = null;
        $run->changed = [];

        [$before, $observe, $timeout, $count] = [$this->before, $this->observe, $this->timeout, count($jobs)];

        Engine::run(static function () use ($run, $boot, $cloned, $shared, $before, $observe, $timeout, $count, $together): void {
            $app = $cloned ? app() : $boot();

            while (Engine::lead()) {
                if ($run->waiting === []) {
                    Engine::stop(0, 'empty');

                    continue;
                }

                $key = array_key_first($run->waiting);
                $work = $run->waiting[$key];
                unset($run->waiting[$key]);
                Engine::reserved(['id' => (string) $key, 'class' => 'test', 'connection' => 'lanes', 'queue' => 'default', 'timeout' => $timeout]);
                $run->objects ??= SharedObjects::in($app, $shared);

                for ($run->begun++; $together && $run->begun < $count && ! Engine::timedOut();) {
                    usleep(200);
                }

                // Otherwise the last could be through its job before the others have woken.
                for ($run->awake++; $together && $run->awake < $count && ! Engine::timedOut();) {
                    usleep(1);
                }

                $run->accounts[$key] = self::account($app, $work, $before, $observe, $together);
                array_push($run->changed, ...SharedObjects::changed($run->objects, SharedObjects::in($app, $shared)));
                Engine::finished();

                return;
            }
        }, $together ? max(1, $count) : 1, $cloned);

        $this->changes = array_values(array_unique([...$this->changes, ...$run->changed, ...$process->changes()]));

        return $this->results($jobs, $run->accounts);
    }

    /** @return string|Closure a payload as queues have it */
    private function work(object $job): string|Closure
    {
        if ($job instanceof Closure) {
            return $job;
        }

        $queue = new SyncQueue;
        $queue->setContainer($this->app);
        $queue->setConnectionName('lanes');

        return Closure::bind(static fn (): string => $queue->createPayload($job, 'default'), null, SyncQueue::class)();
    }

    /** In a lane. @return array{result: string, exception: string|null, output: string, observed: string} */
    private static function account(Application $app, string|Closure $work, ?Closure $before, ?Closure $observe, bool $together): array
    {
        $account = ['result' => serialize(null), 'exception' => null, 'output' => '', 'observed' => serialize(null)];
        $level = ob_get_level();
        ob_start();

        try {
            $before === null || $before($app);

            if ($together) {
                // A microsecond is enough for others to go on meanwhile.
                $app->make('events')->listen('*', static function (): void {
                    usleep(1);
                });
            }

            $returned = Engine::contain(static function () use (&$account, $app, $work): void {
                $account['result'] = self::serialized($work instanceof Closure ? $app->call($work) : self::process($app, $work));
            });

            if (! $returned) {
                $account['exception'] = 'exit()';
            }
        } catch (Throwable $e) {
            $account['exception'] = $e::class.": {$e->getMessage()} in {$e->getFile()}:{$e->getLine()}";
        }

        try {
            $account['observed'] = self::serialized($observe === null ? null : $observe($app));
        } catch (Throwable $e) {
            $account['exception'] ??= 'The observer threw '.$e::class.": {$e->getMessage()}";
        }

        while (ob_get_level() > $level) {
            $account['output'] = ob_get_clean().$account['output'];
        }

        return $account;
    }

    /** As a worker does, with the job's middleware and events. @return mixed what handle() returned */
    private static function process(Application $app, string $payload): mixed
    {
        $result = null;
        $dispatcher = $app->make(DispatcherContract::class);

        if ($dispatcher instanceof Dispatcher) {
            Closure::bind(static function () use ($dispatcher, &$result): void {
                $dispatcher->pipes[] = static function (mixed $command, Closure $next) use (&$result): mixed {
                    return $result = $next($command);
                };
            }, null, Dispatcher::class)();
        }

        $databases = $app->bound('db') ? $app->make('db') : null;
        $worker = LaneWorker::from($app->make('queue.worker'), new NativeEngine, $databases);
        $worker->process('lanes', new SyncJob($app, $payload, 'lanes', 'default'), new WorkerOptions);

        return $result;
    }

    /** No object may leave its lane. */
    private static function serialized(mixed $value): string
    {
        try {
            return serialize($value);
        } catch (Throwable) {
            return serialize(get_debug_type($value).' (cannot be serialized)');
        }
    }

    /**
     * @param  array<array-key, object>  $jobs
     * @param  array<array-key, array{result: string, exception: string|null, output: string, observed: string}>  $accounts
     * @return array<array-key, LaneResult>
     */
    private function results(array $jobs, array $accounts): array
    {
        $results = [];

        foreach ($jobs as $key => $job) {
            $account = $accounts[$key] ?? throw new InvalidArgumentException("Job [{$key}] did not run.");
            $results[$key] = new LaneResult(
                ($job instanceof Closure ? 'a closure' : $job::class)." [{$key}]",
                unserialize($account['result']),
                $account['exception'],
                $account['output'],
                unserialize($account['observed']),
            );
        }

        return $results;
    }
}
