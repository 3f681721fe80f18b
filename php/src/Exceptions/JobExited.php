<?php

declare(strict_types=1);

namespace KQueue\Exceptions;

use Illuminate\Contracts\Queue\Job;
use KQueue\Support\JobName;
use RuntimeException;

/** A job called exit() or die(). */
final class JobExited extends RuntimeException
{
    public static function during(Job $job): self
    {
        return new self(JobName::of($job)." called exit(). Return from handle(), or throw, instead: exit() would end a queue worker.");
    }
}
