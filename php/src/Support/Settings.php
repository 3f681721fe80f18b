<?php

declare(strict_types=1);

namespace KQueue\Support;

use Illuminate\Queue\WorkerOptions;

/**
 * One run of kqueue:run, as scalars and arrays only: lanes and children are given it as an array, for no object may cross to
 * them.
 */
final readonly class Settings
{
    /** As the engine has them: how many jobs may run at once in lanes, and isolated. */
    public const MOST_LANES = 100_000;

    public const MOST_ISOLATED = 1024;

    /**
     * @param  string  $bootstrap  the application's bootstrap/app.php
     * @param  array<string, mixed>  $worker  the properties of Laravel's WorkerOptions
     * @param  array<string, mixed>  $input  the command's arguments and options, for the command of each lane
     * @param  list<class-string>  $shared
     * @param  list<string>  $isolate
     * @param  array<string, int>  $maxConnections
     * @param  float  $flush  seconds without a job after which an application that had one ends
     * @param  int|string|null  $restartedAt  the restart signal as it was when the master started
     * @param  float  $startedAt  by the monotonic clock
     * @param  bool  $memoryGiven  --memory was given; otherwise it depends on what lanes take
     */
    public function __construct(
        public string $bootstrap,
        public string $connection,
        public string $queue,
        public array $worker,
        public array $input,
        public bool $once,
        public int $concurrency,
        public string $lanes,
        public array $shared,
        public int $isolated,
        public bool $isolateAll,
        public array $isolate,
        public int $maxMemory,
        public float $grace,
        public int $childJobs,
        public int $verbosity,
        public bool $decorated,
        public int|string|null $restartedAt,
        public float $startedAt,
        public float $autoSlice,
        public int $autoMemory,
        public float $idleConnections,
        public float $flush,
        public bool $fresh = false,
        public array $maxConnections = [],
        public bool $cloned = true,
        public bool $memoryGiven = true,
    ) {}

    public function withLanes(bool $cloned, bool $isolateAll): self
    {
        return new self(...['cloned' => $cloned, 'isolateAll' => $isolateAll] + $this->toArray());
    }

    /**
     * The limit that --memory is by default leaves room for what the application itself and its lanes take.
     *
     * @param  int  $lane  bytes of one of them
     * @param  int  $process  bytes that are in use before there is one
     */
    public function withMemoryFor(int $lane, int $process): self
    {
        $bytes = $this->memoryGiven ? 0 : $process + $lane * $this->concurrency;
        $worker = ['memory' => $this->worker['memory'] + intdiv($bytes, 1 << 20)] + $this->worker;

        return new self(...['worker' => $worker] + $this->toArray());
    }

    /** @return array<string, mixed> */
    public function toArray(): array
    {
        return get_object_vars($this);
    }

    /** @param  array<string, mixed>  $values */
    public static function fromArray(array $values): self
    {
        return new self(...$values);
    }

    public function workerOptions(): WorkerOptions
    {
        return self::asWorkerOptions($this->worker);
    }

    /** @param  array<string, mixed>  $properties */
    public static function asWorkerOptions(array $properties): WorkerOptions
    {
        $options = new WorkerOptions;

        foreach ($properties as $name => $value) {
            $options->{$name} = $value;
        }

        return $options;
    }
}
