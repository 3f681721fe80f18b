<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use DateTimeInterface;

/** What other jobs say by properties. */
final class MethodJob extends Job
{
    public int $triesByMethod = 3;

    public mixed $backoffByMethod = null;

    public ?DateTimeInterface $until = null;

    /** @var list<object> */
    public array $middlewareByMethod = [];

    public function tries(): int
    {
        return $this->triesByMethod;
    }

    public function backoff(): mixed
    {
        return $this->backoffByMethod;
    }

    public function retryUntil(): ?DateTimeInterface
    {
        return $this->until;
    }

    /** @return list<object> */
    public function middleware(): array
    {
        return $this->middlewareByMethod;
    }

    public function displayName(): string
    {
        return 'A job with a name of its own';
    }
}
