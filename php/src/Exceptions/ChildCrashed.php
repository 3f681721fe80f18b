<?php

declare(strict_types=1);

namespace KQueue\Exceptions;

use Illuminate\Contracts\Queue\Job;
use KQueue\Support\JobName;
use RuntimeException;

/** The process of an isolated job ended before the job did. */
final class ChildCrashed extends RuntimeException
{
    public static function during(Job $job, string $reason): self
    {
        return new self('The process of '.JobName::of($job)." ended before the job did: {$reason}.");
    }
}
