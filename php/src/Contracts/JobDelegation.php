<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * Has a lane's job run elsewhere: in a process, or in an application of its own.
 *
 * @internal
 */
interface JobDelegation
{
    /**
     * Waits until an isolated child has answered the request; only this lane MUST wait.
     *
     * @param  callable(string): string  $answer  called in this lane for each ask() of the child
     * @return array{status: 'done'|'exited'|'died'|'timeout', result: string, reason: string}
     */
    public function isolate(string $request, callable $answer, ?float $timeout = null, ?int $memory = null, int $priority = 0): array;

    /**
     * Calls $handler with the request in a pristine application inside this lane.
     *
     * @param  callable(string): string  $handler  MUST NOT hold an object
     * @param  callable(string): string  $answer  called for each ask() of the handler, in this lane's own application
     * @return array{status: 'done'|'exited'|'died', result: string, reason: string}
     */
    public function fresh(string $request, callable $handler, callable $answer): array;
}
