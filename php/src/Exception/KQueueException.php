<?php

declare(strict_types=1);

namespace KQueue\Exception;

use Throwable;

/** Everything that KQueue throws on its own account. The extension defines this interface; this file does where there is none. */
interface KQueueException extends Throwable {}
