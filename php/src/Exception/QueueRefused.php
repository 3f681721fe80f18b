<?php

declare(strict_types=1);

namespace KQueue\Exception;

use RuntimeException;

/** In an isolated child: the lane that owns the job could not delete or release it. */
final class QueueRefused extends RuntimeException implements KQueueException
{
    public static function to(string $action, string $error): self
    {
        return new self("The queue did not {$action} the job: {$error}");
    }
}
