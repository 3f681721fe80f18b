<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Queue\Attributes\DebounceFor;

/** Only where Laravel knows such jobs. */
#[DebounceFor(1, maxWait: 100)]
final class DebouncedJob extends Job
{
    public string $debounceId = '';
}
