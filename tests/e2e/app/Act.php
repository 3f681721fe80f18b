<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;
use Throwable;

/** An ordinary Laravel job that does one of Actions. */
class Act implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable, SerializesModels;

    public ?int $tries = null;

    public ?int $timeout = null;

    public mixed $backoff = null;

    public bool $failOnTimeout = false;

    public bool $fresh = false;

    public ?int $maxExceptions = null;

    /** Seconds from its dispatch. */
    public ?int $retryFor = null;

    /** @var list<mixed> */
    public array $arguments;

    public function __construct(public string $action, mixed ...$arguments)
    {
        $this->arguments = $arguments;
    }

    /** @param  array<string, mixed>  $properties */
    public function with(array $properties): static
    {
        foreach ($properties as $name => $value) {
            $this->{$name} = $value;
        }

        return $this;
    }

    public function handle(): void
    {
        Trace::add('start', $this->action);
        Actions::{$this->action}($this, ...$this->arguments);
        Trace::add('end', $this->action);
    }

    public function retryUntil(): ?int
    {
        return $this->retryFor === null ? null : time() + $this->retryFor;
    }

    public function failed(?Throwable $e): void
    {
        Trace::add('failed', $e === null ? null : get_class($e).': '.$e->getMessage());
    }
}
