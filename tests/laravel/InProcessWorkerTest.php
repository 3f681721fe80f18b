<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Cache\ArrayStore;
use Illuminate\Cache\Repository;
use Illuminate\Container\Container;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Events\Dispatcher as Events;
use Illuminate\Contracts\Queue\Factory;
use Illuminate\Events\Dispatcher;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Queue\Worker as LaravelsWorker;
use Illuminate\Queue\WorkerOptions;
use KQueue\InProcess\Worker;
use PHPUnit\Framework\Attributes\TestWith;
use PHPUnit\Framework\TestCase;
use RuntimeException;
use Throwable;

/**
 * As Laravel's own tests use its worker: made by hand, extended, without an application, with queues and jobs that are none. What is seen
 * has to be what is seen of Laravel's, which is asked the same.
 */
final class InProcessWorkerTest extends TestCase
{
    protected function tearDown(): void
    {
        Container::setInstance();
        LaravelsWorker::popUsing('picky', null);
    }

    public function test_any_object_with_a_pop_is_a_queue(): void
    {
        foreach ($this->both([['a', 'b'], []]) as $worker) {
            $worker->runNextJob('any', 'first,second', new WorkerOptions);
            self::assertSame(['a'], $worker->log->ran);
        }
    }

    public function test_events_carry_the_very_options_that_the_caller_gave(): void
    {
        $own = new class extends WorkerOptions
        {
            public string $more = 'of a subclass';
        };
        $own->stopWhenEmpty = true;
        $own->sleep = 3;
        [$laravels, $kqueues] = array_map(static function (object $worker) use ($own): array {
            self::assertSame(0, $worker->daemon('any', 'first', $own));

            return $worker->log->events;
        }, $this->both([['a'], []]));

        self::assertSame(array_map(get_class(...), $laravels), array_map(get_class(...), $kqueues));
        self::assertInstanceOf(WorkerStopping::class, end($kqueues));

        foreach ($kqueues as $i => $event) {
            foreach (array_keys(get_object_vars($event)) as $property) {
                $value = $event->{$property};
                self::assertSame($laravels[$i]->{$property} instanceof WorkerOptions, $value instanceof WorkerOptions);
                $value instanceof WorkerOptions && self::assertSame($own, $value);
            }
        }
    }

    /** @param  array<string, mixed>  $options */
    #[TestWith([['maxTime' => 10], ['a', 'b'], [], 10])]
    #[TestWith([['maxTime' => 11], ['a', 'b'], [], 15])]
    #[TestWith([['maxJobs' => 2, 'rest' => 3], ['a', 'b'], [3, 3], 16])]
    #[TestWith([['stopWhenEmptyFor' => 12], ['a'], [4, 4, 4], 17])]
    public function test_the_clock_is_the_workers_own(array $options, array $ran, array $slept, int $ends): void
    {
        foreach ($this->both([['a', 'b', 'c'], []], takes: 5) as $worker) {
            if (isset($options['stopWhenEmptyFor'])) {
                if (! property_exists(WorkerOptions::class, 'stopWhenEmptyFor') || ! method_exists(LaravelsWorker::class, 'currentTime')) {
                    self::markTestSkipped('This Laravel has no such option.');
                }

                array_splice($worker->log->queues['first'], 1);
            }

            if (! method_exists(LaravelsWorker::class, 'currentTime') && isset($options['maxTime'])) {
                self::markTestSkipped('The clock of this Laravel cannot be another.');
            }

            $given = new WorkerOptions;

            foreach (['sleep' => 4] + $options as $name => $value) {
                $given->{$name} = $value;
            }

            self::assertSame(0, $worker->daemon('any', 'first', $given));
            self::assertSame($slept, array_slice($worker->log->slept, 0, count($slept)), get_parent_class($worker));
            self::assertSame($ran, array_slice($worker->log->ran, 0, count($ran)));
            self::assertSame($ends, $worker->log->time, get_parent_class($worker));
        }
    }

    public function test_the_restart_key_is_read_as_often_as_by_laravel(): void
    {
        $reads = [];

        foreach ($this->both([['a', 'b'], []]) as $worker) {
            $options = new WorkerOptions;
            $options->stopWhenEmpty = true;
            $worker->daemon('any', 'first', $options);
            $reads[] = $worker->log->reads;
        }

        self::assertGreaterThan(0, $reads[0]);
        self::assertSame($reads[0], $reads[1]);
    }

    public function test_what_an_exception_handler_throws_comes_out(): void
    {
        foreach ($this->both([['fails'], []]) as $worker) {
            $worker->log->report = static fn () => throw new RuntimeException('cannot report');

            try {
                $worker->runNextJob('any', 'first', new WorkerOptions);
                self::fail(get_parent_class($worker).' kept it to itself');
            } catch (RuntimeException $e) {
                self::assertSame('cannot report', $e->getMessage());
            }
        }
    }

    public function test_an_alarm_of_somebody_elses_stays(): void
    {
        foreach ($this->both([['a'], []]) as $worker) {
            pcntl_alarm(1000);
            $worker->runNextJob('any', 'first', new WorkerOptions);
            self::assertGreaterThan(0, pcntl_alarm(0), get_parent_class($worker));
        }
    }

    /**
     * @param  array{list<string>, list<string>}  $queues
     * @return array{object, object} Laravel's worker and ours, each with a log of what was seen of it
     */
    private function both(array $queues, int $takes = 0): array
    {
        $workers = [];

        foreach (['Laravels', 'KQueues'] as $kind) {
            Container::setInstance(new Container);
            $log = (object) ['queues' => array_combine(['first', 'second'], $queues), 'ran' => [], 'slept' => [], 'events' => [], 'reads' => 0, 'time' => 0, 'report' => null];
            $log->work = static fn () => $log->time += $takes;
            $class = __NAMESPACE__."\\{$kind}HandMadeWorker";
            $worker = new $class(self::manager($log), self::events($log), self::handler($log), static fn (): bool => false);
            $worker->setCache(new Repository(new class($log) extends ArrayStore
            {
                public function __construct(private object $log) {}

                public function get($key)
                {
                    $this->log->reads += $key === 'illuminate:queue:restart' ? 1 : 0;

                    return parent::get($key);
                }
            }));
            $worker->log = $log;
            $workers[] = $worker;
        }

        return $workers;
    }

    private static function manager(object $log): Factory
    {
        return new class($log) implements Factory
        {
            public function __construct(private object $log) {}

            public function connection($name = null)
            {
                // It is no Illuminate\Contracts\Queue\Queue.
                return new class($this->log)
                {
                    public function __construct(private object $log) {}

                    public function pop(string $queue): ?HandMadeJob
                    {
                        $name = array_shift($this->log->queues[$queue]);

                        return $name === null ? null : new HandMadeJob($name, $this->log);
                    }

                    public function getConnectionName(): string
                    {
                        return 'any';
                    }
                };
            }

            /** @return list<string> */
            public function getPausedQueues(): array
            {
                return [];
            }
        };
    }

    private static function events(object $log): Events
    {
        $events = new Dispatcher;
        $events->listen('*', static function (string $name, array $events) use ($log): void {
            $log->events[] = $events[0];
        });

        return $events;
    }

    private static function handler(object $log): ExceptionHandler
    {
        return new class($log) implements ExceptionHandler
        {
            public function __construct(private object $log) {}

            public function report(Throwable $e)
            {
                $this->log->report === null || ($this->log->report)($e);
            }

            public function shouldReport(Throwable $e)
            {
                return true;
            }

            public function render($request, Throwable $e) {}

            public function renderForConsole($output, Throwable $e) {}
        };
    }
}

/** The clock stands still but for jobs and sleeps. */
trait HandMade
{
    public object $log;

    public function sleep($seconds)
    {
        $this->log->slept[] = $seconds;
        $this->log->time += $seconds;
    }

    protected function currentTime()
    {
        return $this->log->time;
    }
}

final class LaravelsHandMadeWorker extends LaravelsWorker
{
    use HandMade;
}

final class KQueuesHandMadeWorker extends Worker
{
    use HandMade;
}

final class HandMadeJob extends \Illuminate\Queue\Jobs\Job implements \Illuminate\Contracts\Queue\Job
{
    protected $connectionName = 'any';

    protected $queue = 'first';

    public function __construct(private readonly string $name, private readonly object $log) {}

    public function fire()
    {
        $this->log->ran[] = $this->name;
        ($this->log->work)();

        if ($this->name === 'fails') {
            throw new RuntimeException('as it should');
        }

        $this->delete();
    }

    public function attempts()
    {
        return 1;
    }

    public function getJobId()
    {
        return $this->name;
    }

    public function getRawBody()
    {
        return '{"uuid":"u","displayName":"HandMade","job":"HandMade@fire","maxTries":1}';
    }

    public function fail($e = null)
    {
        $this->markAsFailed();
    }
}
