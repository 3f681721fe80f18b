<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * What the package asks of the extension; the doc blocks of \KQueue\Engine (stubs/kqueue.stub.php) are the contract.
 *
 * @internal
 */
interface Engine
{
    /** Whether the extension is there. Nothing else may be called if it is not. */
    public function available(): bool;

    /** How many processors this process may use at once. */
    public function cores(): int;

    /**
     * @param  array{isolated?: int, memory_limit?: int, grace?: float, child_jobs?: int, flush?: float}  $options
     * @param  callable(): int  $runner
     * @param  callable(string): string  $child
     * @param  callable(array{id: string, class: string, connection: string, queue: string, attempts: int, cause: string|null, guilty: bool, timed_out: bool, error: string|null}): void  $rescue
     */
    public function supervise(array $options, callable $runner, callable $child, callable $rescue): int;

    /**
     * @param  (callable(): mixed)|null  $boot  null: the process as it is now is the template
     * @param  list<class-string>  $shared
     * @return array{objects: int, closures: int, arrays: int, shared_arrays: int, bytes: int, seconds: float, refused: list<string>, destructors: list<string>}
     */
    public function template(?callable $boot, array $shared): array;

    /** Whether there is a template: lanes may be copied from it. */
    public function hasTemplate(): bool;

    /** Whether this process is a program of its own that was started with this argument. */
    public function startedWith(string $argument): bool;

    /** Starts this program anew, in this process, with a file that runs before its script. Returns only by an exception. */
    public function restart(string $prepend): void;

    /**
     * @param  callable(): void  $lane
     * @param  (callable(int): void)|null  $onSignal
     * @param  (callable('info'|'warning'|'error', string): void)|null  $onMessage
     */
    public function run(callable $lane, int $concurrency, bool $cloned, ?callable $onSignal = null, ?callable $onMessage = null): void;

    /** Null: the lane is to close what it does not need, and to ask again. */
    public function lead(?float $patience = null): ?bool;

    /** Waits until the lane may have one of $limit permits of this name. @return int for release() */
    public function permit(string $name, int $limit): int;

    /** MUST ignore what is no permit, or no longer. */
    public function release(int $permit): void;

    /** @return list<string> names of permits that the lane has and others wait for */
    public function wanted(): array;

    /** In the leader: whether it must take no job now, for want of descriptors; in other lanes, whether it should keep nothing open. */
    public function isShort(): bool;

    /** The lane settles a job from now on, for which descriptors are kept back; or it does so no more. */
    public function settling(bool $begins): void;

    public function idle(float $seconds): void;

    /** @param  array{id: string, class: string, connection: string, queue: string, attempts: int}  $job */
    public function reserved(array $job): void;

    /**
     * @param  (callable(int): void)|null  $onSignal
     * @param  int  $memory  MB, or 0
     */
    public function begin(?float $timeout, ?callable $onSignal, int $memory): void;

    public function finished(): void;

    /** Whether the timeout of this lane's job was thrown into it. MAY be true only the first time it is asked. */
    public function timedOut(): bool;

    /** The word that the last leader left; with $word, leaves that one instead. */
    public function baton(?string $word = null): string;

    /** A text that all lanes of the run share; with $text, leaves that one instead. @return string the text before */
    public function note(string $name, ?string $text = null): string;

    /** @return array{wall: float, cpu: float, slices: int, longest_slice: float, longest_cpu: float, memory: int, where: list<string>, effects: string, refused: string} */
    public function usage(): array;

    public function contain(callable $callback): bool;

    /**
     * @param  callable(string): string  $answer
     * @return array{status: string, result: string, reason: string}
     */
    public function isolate(string $request, callable $answer, ?float $timeout, ?int $memory, int $priority): array;

    /**
     * @param  callable(string): string  $handler  MUST hold no object
     * @param  callable(string): string  $answer
     * @return array{status: string, result: string, reason: string}
     */
    public function fresh(string $request, callable $handler, callable $answer): array;

    public function ask(string $question): string;

    /** Whole lines, for standard output. */
    public function write(string $lines): void;

    public function stop(int $status, string $reason): void;

    /**
     * @return array{stopping: bool, paused: bool, status: int, reason: string|null, signal: int|null, in_flight: int, reserved: int, finished: int, last_finished: float|null}
     *                                                                                                                                                            last_finished: seconds ago
     */
    public function state(): array;
}
