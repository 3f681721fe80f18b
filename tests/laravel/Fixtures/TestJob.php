<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use Illuminate\Bus\Batchable;
use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;
use Throwable;

/** An ordinary Laravel job: does what Recorder::$handlers has under its name, or nothing. */
class TestJob implements ShouldQueue
{
    use Batchable;
    use Dispatchable, InteractsWithQueue, Queueable, SerializesModels;

    public function __construct(public string $name = 'job', public ?int $tries = null, public ?string $backoff = null, public ?int $timeout = null, public bool $failOnTimeout = false) {}

    public function backoff(): ?array
    {
        return $this->backoff === null ? null : array_map(intval(...), explode(',', $this->backoff));
    }

    public function handle(): void
    {
        Recorder::ran($this->name);

        if (isset(Recorder::$handlers[$this->name])) {
            (Recorder::$handlers[$this->name])($this);
        }
    }

    public function failed(?Throwable $e): void
    {
        Recorder::ran("{$this->name} failed: {$e?->getMessage()}");
    }
}
