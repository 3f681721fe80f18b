<?php

declare(strict_types=1);

namespace KQueue\InProcess;

use Closure;
use Illuminate\Queue\TimeoutExceededException;
use KQueue\Contracts;
use LogicException;

/**
 * One lane in the calling process, in PHP alone: what waits blocks the process, and exit() ends it, as in queue:work.
 */
final class Engine implements Contracts\Engine
{
    private bool $stopping = false;

    private int $status = 0;

    private ?string $reason = null;

    private int $reserved = 0;

    private int $finished = 0;

    private ?float $lastFinished = null;

    private bool $timedOut = false;

    private string $baton = '';

    /** @var array<string, string> */
    private array $notes = [];

    /**
     * @param  Closure(float): void  $sleep
     * @param  Closure(): bool  $paused
     * @param  Closure(int, float|null): void  $counted  told of each job that was taken, and of its end: how many so far, and when
     */
    public function __construct(private readonly Closure $sleep, private readonly Closure $paused, private readonly Closure $counted) {}

    public function available(): bool
    {
        return true;
    }

    public function cores(): int
    {
        return 1;
    }

    public function supervise(array $options, callable $runner, callable $child, callable $rescue): int
    {
        throw $this->impossible();
    }

    public function template(?callable $boot, array $shared): array
    {
        throw $this->impossible();
    }

    public function run(callable $lane, int $concurrency, bool $cloned, ?callable $onSignal = null, ?callable $onMessage = null): void
    {
        while (! $this->stopping) {
            $lane();
        }
    }

    public function lead(?float $patience = null): bool
    {
        return ! $this->stopping;
    }

    public function permit(string $name, int $limit): int
    {
        return 0;
    }

    public function release(int $permit): void {}

    /** @return list<string> */
    public function wanted(): array
    {
        return [];
    }

    public function idle(float $seconds): void
    {
        ($this->sleep)($seconds);
    }

    public function reserved(array $job): void
    {
        $this->timedOut = false;
        ($this->counted)(++$this->reserved, $this->lastFinished);

        if ($job['timeout'] > 0 && extension_loaded('pcntl')) {
            $this->arm($job['class'], (int) ceil($job['timeout']));
        }
    }

    public function finished(): void
    {
        if (extension_loaded('pcntl')) {
            pcntl_alarm(0);
        }

        $this->finished++;
        $this->lastFinished = hrtime(true) / 1e9;
        ($this->counted)($this->reserved, $this->lastFinished);
    }

    public function timedOut(): bool
    {
        [$timedOut, $this->timedOut] = [$this->timedOut, false];

        if ($timedOut && extension_loaded('pcntl')) {
            pcntl_alarm(0);
        }

        return $timedOut;
    }

    public function baton(?string $word = null): string
    {
        [$last, $this->baton] = [$this->baton, $word ?? $this->baton];

        return $last;
    }

    public function note(string $name, ?string $text = null): string
    {
        $last = $this->notes[$name] ?? '';
        $this->notes[$name] = $text ?? $last;

        return $last;
    }

    /** @return array<string, mixed> nothing: nobody else is held up */
    public function usage(): array
    {
        return ['wall' => 0.0, 'cpu' => 0.0, 'slices' => 0, 'longest_slice' => 0.0, 'longest_cpu' => 0.0, 'memory' => 0, 'where' => []];
    }

    public function contain(callable $callback): bool
    {
        $callback();

        return true;
    }

    public function isolate(string $request, callable $answer, ?float $timeout, ?int $memory, int $priority): array
    {
        throw $this->impossible();
    }

    /** @return array{status: string, result: string, reason: string} */
    public function fresh(string $request, callable $handler, callable $answer): array
    {
        throw $this->impossible();
    }

    public function ask(string $question): string
    {
        throw $this->impossible();
    }

    public function write(string $lines): void
    {
        echo $lines;
    }

    public function stop(int $status, string $reason): void
    {
        if (! $this->stopping) {
            [$this->stopping, $this->status, $this->reason] = [true, $status, $reason];
        }
    }

    public function state(): array
    {
        return [
            'stopping' => $this->stopping,
            'paused' => ($this->paused)(),
            'status' => $this->status,
            'reason' => $this->reason,
            'signal' => null,
            'in_flight' => $this->reserved - $this->finished,
            'reserved' => $this->reserved,
            'finished' => $this->finished,
            'last_finished' => $this->lastFinished === null ? null : hrtime(true) / 1e9 - $this->lastFinished,
        ];
    }

    /** A job that catches it gets it again each second. */
    private function arm(string $class, int $seconds): void
    {
        pcntl_async_signals(true);

        pcntl_signal(SIGALRM, function () use ($class): void {
            $this->timedOut = true;
            pcntl_alarm(1);

            throw new TimeoutExceededException("{$class} has timed out.");
        }, false);

        pcntl_alarm($seconds);
    }

    private function impossible(): LogicException
    {
        return new LogicException('A worker within the calling process has no other processes and no lanes.');
    }
}
