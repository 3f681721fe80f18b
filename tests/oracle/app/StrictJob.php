<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Queue\Middleware\FailOnException;
use Illuminate\Queue\Middleware\ThrottlesExceptions;
use LogicException;
use RuntimeException;
use Throwable;

/** Its middleware hold closures, which cannot be queued with it. */
final class StrictJob extends Job
{
    public string $how = '';

    /** @return list<object> */
    public function middleware(): array
    {
        $throttle = fn (): ThrottlesExceptions => (new ThrottlesExceptions(5, 1000))->by($this->queue);

        return [match ($this->how) {
            'reports' => $throttle()->report(),
            'throttles others' => $throttle()->when(static fn (Throwable $e): bool => $e instanceof LogicException),
            'deletes' => $throttle()->deleteWhen(RuntimeException::class),
            'fails' => $throttle()->failWhen(RuntimeException::class),
            'fails for this class' => new FailOnException([RuntimeException::class]),
            'fails for another class' => new FailOnException([LogicException::class]),
        }];
    }
}
