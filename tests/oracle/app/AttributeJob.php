<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Queue\Attributes\Backoff;
use Illuminate\Queue\Attributes\FailOnTimeout;
use Illuminate\Queue\Attributes\MaxExceptions;
use Illuminate\Queue\Attributes\Timeout;
use Illuminate\Queue\Attributes\Tries;

/** Only where Laravel knows such attributes. */
#[Tries(5)]
#[Backoff([0, 100])]
#[Timeout(25)]
#[MaxExceptions(4)]
#[FailOnTimeout]
final class AttributeJob extends Job
{
    /** @var list<string> what Job declares would count before the attributes */
    private const ATTRIBUTES = ['tries', 'backoff', 'timeout', 'maxExceptions', 'failOnTimeout'];

    public function __construct(string $action, mixed ...$arguments)
    {
        parent::__construct($action, ...$arguments);

        foreach (self::ATTRIBUTES as $property) {
            unset($this->{$property});
        }
    }
}
