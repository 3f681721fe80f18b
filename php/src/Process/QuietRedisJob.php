<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Queue\Jobs\RedisJob;

/** A job that is failed without a word to its own class: loading that, or its failed(), has ended the process. */
final class QuietRedisJob extends RedisJob
{
    /** @param  \Throwable|null  $e */
    #[\Override]
    protected function failed($e): void {}
}
