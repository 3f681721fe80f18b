<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Fixtures;

use Illuminate\Contracts\Queue\ShouldBeEncrypted;

final class EncryptedIsolatedJob extends IsolatedJob implements ShouldBeEncrypted {}
