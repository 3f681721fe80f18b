<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldBeEncrypted;

final class EncryptedJob extends Job implements ShouldBeEncrypted {}
