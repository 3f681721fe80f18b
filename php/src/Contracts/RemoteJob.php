<?php

declare(strict_types=1);

namespace KQueue\Contracts;

use Illuminate\Contracts\Queue\Job;

/**
 * A job where it runs, in an isolated child or as a fresh one; the queue's own job object is in the lane that reserved it.
 *
 * @internal
 */
interface RemoteJob extends Job {}
