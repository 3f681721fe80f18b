<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Fatal;

use KQueue\Tests\E2E\App\Act;

/** PHP refuses it. */
final class Unloadable extends Act implements \Countable {}
