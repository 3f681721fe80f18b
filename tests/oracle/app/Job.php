<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;
use Throwable;

/** An ordinary Laravel job that does one of Actions. */
class Job implements ShouldQueue
{
    use InteractsWithQueue, Queueable, SerializesModels;

    /** What the job is called in the comparison. */
    public string $label;

    public ?int $tries = null;

    public ?int $timeout = null;

    public mixed $backoff = null;

    public ?bool $failOnTimeout = null;

    public ?int $maxExceptions = null;

    /** @var list<mixed> */
    public array $arguments;

    public function __construct(public string $action, mixed ...$arguments)
    {
        $this->label = $action;
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

    public function handle(): mixed
    {
        Recorder::did('handle', $this->attempts());
        $result = Actions::{$this->action}($this, ...$this->arguments);
        Recorder::did('handled');

        return $result;
    }

    public function failed(?Throwable $e): void
    {
        Recorder::did('failed()', $e === null ? 'null' : $e);
    }
}
