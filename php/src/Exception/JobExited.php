<?php

declare(strict_types=1);

namespace KQueue\Exception;

use RuntimeException;

/** A job called exit(). The extension defines this class; this file does where there is none. */
class JobExited extends RuntimeException implements KQueueException {}
