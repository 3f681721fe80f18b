<?php

declare(strict_types=1);

namespace KQueue\Exception;

use Illuminate\Contracts\Queue\Job;
use KQueue\Support\JobName;
use RuntimeException;

/** A job took the process down that it shared with other jobs. */
final class RunnerDied extends RuntimeException implements KQueueException
{
    public static function during(Job $job, string $cause): self
    {
        $name = JobName::of($job);

        return new self(
            "The runner died while {$name} ran in it: {$cause}. "
            ."Let it run in a process of its own: 'public ?bool \$isolated = true;', or add the class to config kqueue.isolate."
        );
    }

    /** Nobody knows by which of them. */
    public static function among(Job $job, string $cause): self
    {
        return new self(
            'The runner died while '.JobName::of($job)." and maybe others ran in it: {$cause}. It is not known which of them brought it about."
        );
    }
}
