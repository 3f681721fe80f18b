<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Packaged;

use Spatie\WebhookServer\BackoffStrategy\BackoffStrategy;

/** A webhook that was refused is tried again without a wait. */
final class AtOnce implements BackoffStrategy
{
    public function waitInSecondsAfterAttempt(int $attempt): int
    {
        return 0;
    }
}
