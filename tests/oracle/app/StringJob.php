<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\Job as QueueJob;
use RuntimeException;
use Throwable;

/** Queued by the names of class and method. */
final class StringJob
{
    /** @param  array<string, mixed>  $data */
    public function fire(QueueJob $job, array $data): void
    {
        Recorder::did('fire', $data);
        $job->delete();
    }

    /** @param  array<string, mixed>  $data */
    public function other(QueueJob $job, array $data): void
    {
        Recorder::did('other', $data);
        $job->attempts() < 2 ? $job->release() : $job->delete();
    }

    public function throws(): void
    {
        throw new RuntimeException('in a string job');
    }

    /** @param  array<string, mixed>  $data */
    public function failed(array $data, Throwable $e): void
    {
        Recorder::did('failed of the string job', $e);
    }
}
