<?php

declare(strict_types=1);

namespace KQueue\Exception;

use RuntimeException;

/** An isolated job failed together with its child. The extension defines this class; this file does where there is none. */
class ChildDied extends RuntimeException implements KQueueException {}
