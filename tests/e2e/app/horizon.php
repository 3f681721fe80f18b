<?php

// Where Horizon is not installed: the part of it that sits in the queue's way. Its RedisQueue overrides what the real one does and
// fires the same events with the same payloads; nothing is stored. It is loaded only if the real classes are not found.

declare(strict_types=1);

namespace Laravel\Horizon\Events {
    use Laravel\Horizon\JobPayload;

    trait OfAQueue
    {
        public ?string $connectionName = null;

        public ?string $queue = null;

        public function connection(string $name): static
        {
            $this->connectionName = $name;

            return $this;
        }

        public function queue(string $queue): static
        {
            $this->queue = $queue;

            return $this;
        }
    }

    abstract class RedisEvent
    {
        use OfAQueue;

        public JobPayload $payload;

        public function __construct(string $payload)
        {
            $this->payload = new JobPayload($payload);
        }
    }

    final class JobPushed extends RedisEvent {}

    final class JobReserved extends RedisEvent {}

    final class JobReleased extends RedisEvent {}

    final class JobDeleted extends RedisEvent
    {
        public function __construct(public object $job, string $payload)
        {
            parent::__construct($payload);
        }
    }

    final class JobFailed extends RedisEvent
    {
        public function __construct(public ?\Throwable $exception, public object $job, string $payload)
        {
            parent::__construct($payload);
        }
    }

    final class JobsMigrated
    {
        use OfAQueue;

        /** @var \Illuminate\Support\Collection<int, JobPayload> */
        public object $payloads;

        /** @param  list<string>|null  $payloads */
        public function __construct(?array $payloads)
        {
            $this->payloads = collect($payloads)->map(static fn (string $payload) => new JobPayload($payload));
        }
    }
}

namespace Laravel\Horizon {
    use Illuminate\Queue\Connectors\RedisConnector;
    use Illuminate\Queue\Events\JobFailed as LaravelJobFailed;
    use Illuminate\Queue\Jobs\RedisJob;
    use Illuminate\Queue\RedisQueue as LaravelRedisQueue;
    use Illuminate\Support\ServiceProvider;
    use Illuminate\Support\Str;

    final class JobPayload
    {
        /** @var array<string, mixed> */
        public array $decoded;

        public function __construct(public string $value)
        {
            $this->decoded = json_decode($value, true);
        }

        public function id(): string
        {
            return $this->decoded['uuid'] ?? $this->decoded['id'];
        }

        /** @return list<string> */
        public function tags(): array
        {
            return $this->decoded['tags'] ?? [];
        }

        public function prepare(mixed $job): self
        {
            return new self(json_encode([
                'type' => 'job',
                'tags' => is_object($job) && method_exists($job, 'tags') ? $job->tags() : [],
                'silenced' => false,
                'pushedAt' => (string) microtime(true),
            ] + $this->decoded));
        }
    }

    class RedisQueue extends LaravelRedisQueue
    {
        private mixed $lastPushed = null;

        public function push($job, $data = '', $queue = null)
        {
            return $this->enqueueUsing($job, $this->createPayload($job, $this->getQueue($queue), $data), $queue, null, function ($payload, $queue) use ($job) {
                $this->lastPushed = $job;

                return $this->pushRaw($payload, $queue);
            });
        }

        public function pushRaw($payload, $queue = null, array $options = [])
        {
            $payload = (new JobPayload($payload))->prepare($this->lastPushed);
            parent::pushRaw($payload->value, $queue, $options);
            $this->event($this->getQueue($queue), new Events\JobPushed($payload->value));

            return $payload->id();
        }

        public function later($delay, $job, $data = '', $queue = null)
        {
            $payload = (new JobPayload($this->createPayload($job, $queue, $data)))->prepare($job)->value;

            return $this->enqueueUsing($job, $payload, $queue, $delay, function ($payload, $queue, $delay) {
                $id = parent::laterRaw($delay, $payload, $queue);
                $this->event($this->getQueue($queue), new Events\JobPushed($payload));

                return $id;
            });
        }

        public function pop($queue = null, $index = 0)
        {
            $job = parent::pop($queue, $index);

            if ($job) {
                $this->event($this->getQueue($queue), new Events\JobReserved($job->getReservedJob()));
            }

            return $job;
        }

        public function migrateExpiredJobs($from, $to)
        {
            $jobs = parent::migrateExpiredJobs($from, $to);
            $this->event($to, new Events\JobsMigrated($jobs));

            return $jobs;
        }

        public function deleteReserved($queue, $job)
        {
            parent::deleteReserved($queue, $job);
            $this->event($this->getQueue($queue), new Events\JobDeleted($job, $job->getReservedJob()));
        }

        public function deleteAndRelease($queue, $job, $delay)
        {
            parent::deleteAndRelease($queue, $job, $delay);
            $this->event($this->getQueue($queue), new Events\JobReleased($job->getReservedJob()));
        }

        protected function createPayloadArray($job, $queue, $data = '')
        {
            $payload = parent::createPayloadArray($job, $queue, $data);

            return ['id' => $payload['uuid']] + $payload;
        }

        private function event(string $queue, object $event): void
        {
            $this->container->make('events')->dispatch($event->connection($this->getConnectionName())->queue(Str::replaceFirst('queues:', '', $queue)));
        }
    }

    final class HorizonServiceProvider extends ServiceProvider
    {
        public function register(): void
        {
            $this->callAfterResolving('queue', static fn ($queues) => $queues->addConnector('redis', static fn () => new class(app('redis')) extends RedisConnector
            {
                public function connect(array $config)
                {
                    return new RedisQueue($this->redis, $config['queue'], $config['connection'], $config['retry_after'], $config['block_for'] ?? null);
                }
            }));
        }

        public function boot(): void
        {
            $this->app['events']->listen(LaravelJobFailed::class, static function (LaravelJobFailed $event): void {
                if ($event->job instanceof RedisJob) {
                    app('events')->dispatch((new Events\JobFailed($event->exception, $event->job, $event->job->getReservedJob()))
                        ->connection($event->connectionName)->queue($event->job->getQueue()));
                }
            });
        }
    }
}
