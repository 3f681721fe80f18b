<?php

declare(strict_types=1);

namespace KQueue;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;

/**
 * A queued job that says how KQueue should run it. Optional: any Laravel job runs, and any job class can have these properties.
 *
 * Under plain `queue:work` it is an ordinary job; the properties that Laravel does not know have no effect there.
 */
abstract class KQueueJob implements ShouldQueue
{
    use Dispatchable;
    use InteractsWithQueue;
    use Queueable;
    use SerializesModels;

    /** true: in a process of its own; false: in a lane; null: KQueue decides. */
    public ?bool $isolated = null;

    /** Seconds the job may take; null: the worker's --timeout. */
    public ?int $timeout = null;

    /** MB that the job may use if it runs isolated; null: config kqueue.max_memory. */
    public ?int $maxMemory = null;

    /** true: nothing that earlier jobs changed is seen by it; see config kqueue.fresh. */
    public bool $fresh = false;

    /** Among isolated jobs that wait for a free process, the higher starts first. */
    public int $priority = 0;
}
