<?php

declare(strict_types=1);

namespace KQueue\Support;

use Illuminate\Contracts\Queue\Job;
use KQueue\Exception\ChildDied;
use KQueue\Exception\JobExited;

/** Makes the exceptions of jobs that ended without throwing any, which name the job. */
final class JobFailure
{
    public static function exited(Job $job): JobExited
    {
        return new JobExited(JobName::of($job).' called exit(). Return from handle(), or throw, instead: exit() would end a queue worker.');
    }

    public static function childDied(Job $job, string $reason): ChildDied
    {
        return new ChildDied('The process of '.JobName::of($job)." ended before the job did: {$reason}.");
    }
}
