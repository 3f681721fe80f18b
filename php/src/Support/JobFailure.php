<?php

declare(strict_types=1);

namespace KQueue\Support;

use Illuminate\Contracts\Queue\Job;
use KQueue\Exception\ChildDied;
use KQueue\Exception\JobExited;
use KQueue\Exception\RunnerDied;

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

    public static function runnerDied(Job $job, string $cause): RunnerDied
    {
        $name = JobName::of($job);

        return new RunnerDied(
            "The runner died while {$name} ran in it: {$cause}. "
            ."Let it run in a process of its own: 'public ?bool \$isolated = true;', or add the class to config kqueue.isolate."
        );
    }

    /** It died of this job or of another, and nobody knows of which. */
    public static function runnerDiedOfOne(Job $job, string $cause): RunnerDied
    {
        return new RunnerDied(
            'The runner died while '.JobName::of($job)." and maybe others ran in it: {$cause}. It is not known which of them brought it about."
        );
    }
}
