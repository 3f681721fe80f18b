<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Queue\Jobs\DatabaseJob;

/** A job that is failed without a word to its own class: loading that, or its failed(), has ended the process. */
final class QuietDatabaseJob extends DatabaseJob
{
    /** @param  \Throwable|null  $e */
    #[\Override]
    protected function failed($e): void {}
}
