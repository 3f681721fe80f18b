<?php

declare(strict_types=1);

namespace KQueue\Exception;

use RuntimeException;

/** A job took the process down that it shared with other jobs. */
final class RunnerDied extends RuntimeException implements KQueueException {}
