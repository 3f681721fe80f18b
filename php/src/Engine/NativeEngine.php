<?php

declare(strict_types=1);

namespace KQueue\Engine;

use KQueue\Contracts\Engine;
use KQueue\Contracts\ProgramRestart;
use KQueue\Engine as Native;

/** Forwards to the extension, one line per method. */
final class NativeEngine implements Engine, ProgramRestart
{
    public function available(): bool
    {
        return extension_loaded('kqueue');
    }

    public function cores(): int
    {
        return Native::cores();
    }

    public function supervise(array $options, callable $runner, callable $child, callable $rescue): int
    {
        return Native::supervise($options, $runner, $child, $rescue);
    }

    public function template(?callable $boot, array $shared): array
    {
        return Native::template($boot, $shared);
    }

    public function hasTemplate(): bool
    {
        return Native::hasTemplate();
    }

    public function startedWith(string $argument): bool
    {
        return Native::startedWith($argument);
    }

    public function restart(string $prepend): void
    {
        Native::restart($prepend);
    }

    public function run(callable $lane, int $concurrency, bool $cloned, ?callable $onSignal = null, ?callable $onMessage = null): void
    {
        Native::run($lane, $concurrency, $cloned, $onSignal, $onMessage);
    }

    public function lead(?float $patience = null): ?bool
    {
        return Native::lead($patience);
    }

    public function permit(string $name, int $limit): int
    {
        return Native::permit($name, $limit);
    }

    public function release(int $permit): void
    {
        Native::release($permit);
    }

    public function wanted(): array
    {
        return Native::wanted();
    }

    public function isShort(): bool
    {
        return Native::isShort();
    }

    public function settling(bool $begins): void
    {
        Native::settling($begins);
    }

    public function idle(float $seconds): void
    {
        Native::idle($seconds);
    }

    public function reserved(array $job): void
    {
        Native::reserved($job);
    }

    public function begin(?float $timeout, ?callable $onSignal, int $memory): void
    {
        Native::begin($timeout, $onSignal, $memory);
    }

    public function finished(): void
    {
        Native::finished();
    }

    public function timedOut(): bool
    {
        return Native::timedOut();
    }

    public function note(string $name, ?string $text = null): string
    {
        return Native::note($name, $text);
    }

    public function usage(): array
    {
        return Native::usage();
    }

    public function contain(callable $callback): bool
    {
        return Native::contain($callback);
    }

    public function isolate(string $request, callable $answer, ?float $timeout = null, ?int $memory = null, int $priority = 0): array
    {
        return Native::isolate($request, $answer, $timeout, $memory, $priority);
    }

    public function fresh(string $request, callable $handler, callable $answer): array
    {
        return Native::fresh($request, $handler, $answer);
    }

    public function ask(string $question): string
    {
        return Native::ask($question);
    }

    public function write(string $lines): void
    {
        Native::write($lines);
    }

    public function stop(int $status, string $reason): void
    {
        Native::stop($status, $reason);
    }

    public function isStopping(): bool
    {
        return Native::isStopping();
    }

    public function isPaused(): bool
    {
        return Native::isPaused();
    }

    public function exitStatus(): int
    {
        return Native::exitStatus();
    }

    public function stopReason(): ?string
    {
        return Native::stopReason();
    }

    public function jobsInFlight(): int
    {
        return Native::jobsInFlight();
    }

    public function jobsReserved(): int
    {
        return Native::jobsReserved();
    }

    public function sinceLastFinished(): ?float
    {
        return Native::sinceLastFinished();
    }
}
