<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Contracts\Queue\ShouldQueueAfterCommit;

final class AfterCommitJob extends Job implements ShouldQueueAfterCommit {}
