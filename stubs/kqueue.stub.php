<?php

// The classes that kqueue.so defines, for IDEs and static analysis.
// tests/phpt/stubs.phpt holds this file against the loaded extension.

namespace KQueue {

    /**
     * Runs many jobs at once in a plain PHP program.
     *
     * The calling process is the runner. The constructor forks a zygote first; isolated children come from it, so classes
     * that an isolated job needs must be declared or autoloadable before the constructor is called.
     */
    final class Runtime
    {
        /**
         * @param int        $concurrency how many inline jobs run at once, 1 to 100000; each has a lane of its own
         * @param int        $isolated    how many isolated children may live at once, 0 to 1024; 0 refuses isolated jobs
         * @param int        $memoryLimit MB that one isolated job may use (PHP's memory_limit in the child); 0 = no limit
         * @param float      $grace       seconds an overdue child gets between SIGTERM and SIGKILL
         *
         * @throws Exception\InvalidArgument a value is out of its range; the message names all of them
         * @throws Exception\Unsupported     this PHP cannot run lanes (ZTS, Xdebug in a refused mode, threads already running)
         * @throws Exception\EngineError     the zygote could not be forked
         */
        public function __construct(int $concurrency = 100, int $isolated = 2, int $memoryLimit = 256, float $grace = 2.0) {}

        /**
         * Hands in a job. It starts when run() runs and a lane (or child) is free; jobs with a higher priority first,
         * among equals in the order of dispatch.
         *
         * @param callable|object $job      a callable (always inline), or an object with a handle() method
         * @param bool|null       $isolated true: in an isolated child, the object is serialized; false and null: inline
         * @param float|null      $timeout  seconds from its start after which the job is ended; null = no limit
         * @param int             $priority higher starts first
         * @param float           $delay    seconds from now before which it does not start
         *
         * @return int the job's id, counted from 1
         *
         * @throws Exception\InvalidArgument neither callable nor with handle(); an isolated job that cannot be serialized;
         *                                   isolated with no children; a negative time
         */
        public function dispatch(mixed $job, ?bool $isolated = null, ?float $timeout = null, int $priority = 0, float $delay = 0.0): int {}

        /**
         * Calls $callback once, $seconds after now (inline, in a lane). @return int the timer's id, for cancel()
         *
         * @param callable(): void $callback
         *
         * @throws Exception\InvalidArgument a negative time, or no callable
         */
        public function after(float $seconds, mixed $callback): int {}

        /**
         * Calls $callback every $seconds, inline, in a lane; never twice at once. A timer of this kind does not keep run()
         * going. @return int the timer's id, for cancel()
         *
         * @param callable(): void $callback
         *
         * @throws Exception\InvalidArgument a time of zero or less, or no callable
         */
        public function every(float $seconds, mixed $callback): int {}

        /** Cancels a timer, or a job that has not started. @return bool whether there was one */
        public function cancel(int $id): bool {}

        /** @param callable(int $id, mixed $job): void $callback called in the job's lane as it starts */
        public function onStarted(mixed $callback): Runtime {}

        /** @param callable(int $id, mixed $result, float $seconds): void $callback called when a job has returned */
        public function onFinished(mixed $callback): Runtime {}

        /**
         * @param callable(int $id, \Throwable $error, float $seconds): void $callback called when a job threw, overran its
         *                                             timeout (Exception\JobTimedOut) or lost its child (Exception\ChildDied)
         */
        public function onFailed(mixed $callback): Runtime {}

        /**
         * Runs until nothing is left to do or stop() was called. SIGTERM, SIGINT and SIGQUIT act as stop(); a second one
         * ends at once.
         *
         * @throws Exception\EngineError the event loop cannot go on
         */
        public function run(): void {}

        /** Starts no new job; run() returns when the running ones have ended. */
        public function stop(): void {}

        /**
         * @return array{running: int, waiting: int, delayed: int, finished: int, failed: int, lanes: int,
         *               children: int, isolated: int, suspensions: int, memory: int, rss: int,
         *               hooks: array{mode: 'off'|'sleep'|'handlers'|'all', slots: int, libraries: int, functions: list<string>}}
         *         counts of jobs, lanes and children; isolated = isolated jobs running; memory and rss in bytes; hooks: which
         *         functions suspend lanes now, or did in the last run, and through how many slots of how many libraries
         */
        public function stats(): array {}
    }

    /**
     * Runs callables side by side within one job: while one waits, the others go on. They share all that the job has (variables by
     * reference, static properties, the application), but each has output buffers and error handlers of its own, which begin as
     * the caller's; what they write into the caller's output buffer arrives in the order of the callables.
     *
     * If one throws, the others are cancelled: their waits fail, and Exception\Cancelled is thrown into them. When all have ended
     * the first exception is thrown here. exit() in one ends the whole job. A timeout of the job ends them all.
     *
     * They share the job's connections, which serve one request at a time: Redis requests wait for each other; MySQL and PostgreSQL
     * refuse a second query while one is under way, so let one callable at a time use such a connection, or give each its own. Part
     * of a transaction is whatever any of them sends meanwhile. What a cancelled callable was waiting for is closed.
     *
     * Outside of a run (plain PHP, an isolated child) they run one after another.
     *
     * @template TKey of array-key
     * @template TResult
     *
     * @param array<TKey, callable(): TResult> $callables
     * @param int|null                         $limit     how many at once; null = all
     *
     * @return array<TKey, TResult> what they returned, with the keys and in the order of $callables
     *
     * @throws \Throwable                what the first one that failed threw
     * @throws Exception\InvalidArgument something is not callable; the message names all that are not. A limit below 1
     */
    function concurrently(array $callables, ?int $limit = null): array {}

    /**
     * What the Laravel package is built on: master, runner, lanes and isolated children, one static method per step.
     *
     * Programs use Runtime or `artisan kqueue:run`; this class may change in any release.
     *
     * @internal
     */
    final class Engine
    {
        /** All methods are static. */
        public function __construct() {}

        /** How many processors this process may use at once: as its affinity and its control group's quota allow. */
        public static function cores(): int {}

        /**
         * The limits of options, and their defaults: those of Runtime, and of what supervise() is not given. kqueue:run has its own defaults.
         *
         * @return array{concurrency: array{least: int, most: int, default: int}, isolated: array{least: int, most: int, default: int},
         *               memory_limit: array{default: int}, grace: array{default: float}, child_jobs: array{default: int}}
         */
        public static function options(): array {}

        /**
         * Makes the calling process the master: forks the runner from its image, forks isolated children on demand, forwards
         * signals, replaces a runner that dies. Returns when the run is over. The caller must hold no open connection.
         *
         * @param array{isolated?: int, memory_limit?: int, grace?: float, child_jobs?: int, flush?: float} $options
         *        isolated: children at most; memory_limit: MB per isolated job; grace: seconds from SIGTERM to SIGKILL;
         *        flush: seconds without a job after which a child that had one leaves (0: never); before it leaves, $child is called with
         *        an empty request
         *        child_jobs: jobs after which a child is replaced
         * @param callable(): int                                     $runner runs in the runner; returns the exit status
         * @param callable(string $request): string                   $child  runs in a child, once per isolated job
         * @param callable(array{id: string, class: string, connection: string, queue: string, attempts: int, cause: string|null, guilty: bool, timed_out: bool, ended: bool, error: string|null}): void $rescue
         *        runs in a process of its own after a runner ended with jobs in flight, once for each. cause: null for a job that
         *        only was a neighbour, else how the runner died; guilty: it died of this job, else of one of several; timed_out: and
         *        that was after the job's deadline; ended: the job had ended before, and what it had left behind was running; error: the
         *        fatal error that the first call for this job ended with
         *
         * @return int the exit status of the last runner; 13 if runners died again and again
         *
         * @throws Exception\Unsupported this PHP cannot run lanes
         * @throws Exception\EngineError a process could not be forked
         */
        public static function supervise(array $options, mixed $runner, mixed $child, mixed $rescue): int {}

        /**
         * In the runner: makes the process as it is now the template that lanes are cloned from, as if each were forked from it:
         * static properties, static variables of functions, global variables, handlers of errors, shutdown functions.
         *
         * With $boot, which is called in a pristine lane (statics as declared), that lane's become the template instead, and the
         * process stays as it is.
         *
         * @param (callable(): void)|null $boot
         * @param list<class-string>|null $shared classes whose objects all lanes share instead of copying
         *
         * @return array{objects: int, closures: int, arrays: int, shared_arrays: int, bytes: int, seconds: float, refused: list<string>, destructors: list<string>}
         *         what one clone copies; `refused` are the paths of values that cannot be copied: lanes must be booted then
         *
         * @throws \Throwable what $boot threw
         */
        public static function template(mixed $boot, ?array $shared = null): array {}

        /** Whether there is a template that lanes can be cloned from. */
        public static function hasTemplate(): bool {}

        /** Whether the process was started as a program with this argument on its command line, after the script. */
        public static function startedWith(string $argument): bool {}

        /**
         * Starts this program anew, in this process (its number and what it has open stay), with the file $prepend run before its
         * script. Does not return.
         *
         * @throws Exception\EngineError the system refused
         */
        public static function restart(string $prepend): void {}

        /**
         * How objects of a class are copied into lanes.
         *
         * @return array{rule: string, why: string, decided: bool} the rule as docs/isolation.md names it; why, of those that are shared
         *         or refused; decided: false if no rule names the class or its extension, so that it is refused
         *
         * @throws Exception\InvalidArgument no such class is loaded
         */
        public static function ruleOf(string $class): array {}

        /**
         * In the runner: runs $lane in up to $concurrency lanes at once until the run is over. A lane that returns is replaced
         * while there is work.
         *
         * @param callable(): void $lane   called in each new lane; must not hold objects of the caller (a static closure
         *                                 over strings, numbers and arrays)
         * @param bool             $cloned lanes start as clones of the template; false: with statics as declared
         * @param callable(int $signal): void|null $onSignal called, outside of all lanes, for a signal to stop (the first one), to
         *                                 pause or to resume; must not throw. No lane runs meanwhile
         *
         * @param callable('info'|'warning'|'error' $level, string $message): void|null $onMessage called, outside of all lanes, with a line
         *                                 about the hooks at the start, when jobs share a connection, and when something went wrong below (no child
         *                                 could be forked); must not throw
         *
         * @throws Exception\Unsupported the self-test refused the hooks
         * @throws Exception\EngineError the event loop cannot go on
         */
        public static function run(mixed $lane, int $concurrency, bool $cloned, mixed $onSignal = null, mixed $onMessage = null): void {}

        /**
         * In a lane: stands in line until this lane is the leader (true), or should end (false). Null: it has stood in line for
         * $patience seconds, or others wait for what it has (wanted()); it should close what it does not need, and call again.
         */
        public static function lead(?float $patience = null): ?bool {}

        /**
         * In a lane: takes one of $limit permits of this name, and waits until there is one. A lane that has one gets a second one
         * at once, also in concurrently(), and one that must not wait here (a class is being loaded) gets one beyond the limit. What
         * a lane has is free when it gives it back, or ends. @return int for release()
         *
         * @throws Exception\JobTimedOut the job's deadline came first
         */
        public static function permit(string $name, int $limit): int {}

        /** Gives a permit back; anything else is ignored. */
        public static function release(int $permit): void {}

        /** In a lane: the names of permits that it has and others wait for. @return list<string> */
        public static function wanted(): array {}

        /**
         * In the leader: whether it must take no job now, since too few descriptors are left for what jobs usually open; the run's
         * onMessage is told, and idle lanes are called out of the line (lead() returns null). In another lane: whether the last leader
         * was told so, or there are hardly any left; it should keep nothing open then.
         */
        public static function isShort(): bool {}

        /**
         * In a lane: it settles a job from now on ($begins), and may use the descriptors that are kept back for this, or does so no
         * more. If they are short, it waits until few others do. Elsewhere nothing happens.
         */
        public static function settling(bool $begins): void {}

        /**
         * In the leader, when the queue gave nothing: keeps the lead and waits for $seconds, or less: until another lane's job
         * ends, or a stop, pause or resume is asked for.
         */
        public static function idle(float $seconds): void {}

        /**
         * In the leader: it has a job. The lead passes on; the job counts as in flight until finished().
         *
         * @param array{id: string, class: string, connection: string, queue: string, attempts?: int, timeout?: float|null, memory?: int, onSignal?: callable(int): void|null} $job
         *        attempts: this one included; timeout, onSignal and memory: see begin()
         */
        public static function reserved(array $job): void {}

        /**
         * In the lane that said reserved(): its job begins in this process, and not in an isolated child. From now on it may be to
         * blame if the process dies, also where no lane can be named.
         *
         * @param float|null $timeout seconds from now after which Exception\JobTimedOut is thrown into this lane
         * @param callable(int): void|null $onSignal called in this lane's world until finished(), after run()'s, for a signal to
         *        stop; must not throw. What it waits for stops all lanes, so it should only take note
         * @param int $memory MB, or 0: with more, Exception\OutOfMemory is thrown into this lane, until settling() or finished()
         */
        public static function begin(?float $timeout, mixed $onSignal, int $memory): void {}

        /** In a lane: its job has ended, in whatever way. */
        public static function finished(): void {}

        /**
         * In a lane: what its last job has cost. A slice is what a lane runs between two suspensions.
         *
         * @return array{wall: float, cpu: float, slices: int, longest_slice: float, longest_cpu: float, memory: int, where: list<string>, effects: string, refused: string}
         *         effects: a file that it included first and that changed what other lanes do not get, or empty;
         *         seconds, and bytes of PHP's memory that it had at most; longest_cpu: the most processor time in one slice (it and
         *         memory without what went into code that the process had not had yet: files compiled for the first time, classes
         *         that autoloaders found); where: "file:line" of the innermost PHP code in the longest slice, and of its callers, 250 ms after the slice
         *         began; empty if it was shorter; refused: the function that it called last of those that do not work in a lane
         */
        public static function usage(): array {}

        /** In a lane: whether its job overran its deadline; afterwards the lane may wait again, for its bookkeeping. */
        public static function timedOut(): bool {}

        /**
         * Calls $callback and survives an exit() in it.
         *
         * @param callable(): void $callback
         *
         * @return bool false if the callback was ended by exit(); what it throws otherwise passes through
         */
        public static function contain(mixed $callback): bool {}

        /**
         * In a lane: waits for a free isolated child, has it run $request, waits for the end. Only this lane is suspended.
         *
         * @param string                             $request
         * @param callable(string $question): string $answer called in this lane for each ask() of the child
         *
         * @return array{status: 'done'|'exited'|'died'|'timeout', result: string, reason: string}
         *         done: the child's handler returned `result`; exited: the job called exit(); died: `reason` tells how ("killed by
         *         signal 11 (SIGSEGV)", "out of memory at 512 MB", "fatal error: ..."); timeout: it was ended at its deadline
         */
        public static function isolate(mixed $request, mixed $answer, ?float $timeout = null, ?int $memory = null, int $priority = 0): array {}

        /**
         * In a lane: calls $handler with the request in a pristine application, as the first thing that a new lane does; this
         * lane's own variables wait meanwhile.
         *
         * @param string                             $request
         * @param callable(string $request): string  $handler must not hold objects of the caller, as in run()
         * @param callable(string $question): string $answer  called for each ask() of the handler, with this lane's variables
         *
         * @return array{status: 'done'|'exited'|'died', result: string, reason: string}
         *         done: the handler returned `result`; exited: exit() was called in it; died: it threw what `reason` tells
         */
        public static function fresh(mixed $request, mixed $handler, mixed $answer): array {}

        /**
         * In an isolated child, and in fresh(): asks the lane that owns the job, and waits for the answer.
         *
         * @param string $question
         *
         * @return string
         */
        public static function ask(mixed $question): mixed {}

        /** In the runner: reserve nothing more, let running jobs end, then return from run(). The first call's reason stays. */
        public static function stop(int $status = 0, string $reason = 'interrupted'): void {}

        /**
         * Writes whole lines to standard output: in a run a moment later, together with what other lanes write, and without making
         * anybody wait for a reader that is slow; otherwise at once.
         *
         * @param string $lines
         */
        public static function write(mixed $lines): void {}

        /** In the runner: pause (true) or resume reserving, as SIGUSR2 and SIGCONT do. The leader obeys: isPaused() tells it. */
        public static function pause(bool $paused): void {}

        /**
         * In the runner: a text that all lanes of the run can read and replace. Sets it if one is given; an empty one removes it.
         *
         * @return string the text before
         */
        public static function note(string $name, ?string $text = null): string {}

        /**
         * What becomes in lanes of the state of each loaded extension, by lower-case name.
         *
         * @return array<string, array{verdict: 'exchanged'|'harmless'|'by parts'|'refused'|'unknown', reason: string, globals: int}>
         *         globals: bytes that the extension has told PHP of
         */
        public static function extensions(): array {}

        /** Whether the run that is under way is to end, or the last one has ended for a reason. */
        public static function isStopping(): bool {}

        /** Whether the run that is under way reserves nothing, since it was asked to pause. */
        public static function isPaused(): bool {}

        /** What the runner is to exit with: the status of the first stop(), or 0. */
        public static function exitStatus(): int {}

        /** The reason of the first stop(); null if there was none. */
        public static function stopReason(): ?string {}

        /** How many jobs were reserved in this run and have not ended. */
        public static function jobsInFlight(): int {}

        /** How many jobs were reserved, by runners before this one too. */
        public static function jobsReserved(): int {}

        /** Seconds since a job ended in this process last; null if none has. */
        public static function sinceLastFinished(): ?float {}

        /**
         * All that can be told of the run that is under way, or else of the last one; for diagnostics, since it is made anew each time.
         *
         * @return array{role: 'none'|'master'|'runner'|'child'|'rescue', stopping: bool, paused: bool, status: int, reason: string|null,
         *               signal: int|null, in_flight: int, reserved: int, finished: int, last_finished: float|null, lanes: int,
         *               idle_lanes: int, suspensions: int, static_slots: int, hooks: int, clones: int, clone_seconds: float}
         *         last_finished: seconds ago; signal: the last stop signal that came; clones and clone_seconds: the lanes that were
         *         copied, and what that took
         */
        public static function state(): array {}
    }
}

namespace KQueue\Exception {

    /** Everything that KQueue throws on its own account. */
    interface KQueueException extends \Throwable {}

    /** A call or a setting does not make sense; the message says which and what would. */
    class InvalidArgument extends \InvalidArgumentException implements KQueueException {}

    /** This PHP or this system cannot do it; the message says what to change. */
    class Unsupported extends \RuntimeException implements KQueueException {}

    /** KQueue itself could not do its work. */
    class EngineError extends \RuntimeException implements KQueueException {}

    /** A job overran its timeout. */
    class JobTimedOut extends \RuntimeException implements KQueueException {}

    /** A job in a lane used more memory than one job may. */
    class OutOfMemory extends \RuntimeException implements KQueueException {}

    /** Thrown into a callable of concurrently() when another one has failed; nobody gets to see it who does not catch it there. */
    class Cancelled extends \RuntimeException implements KQueueException {}

    /**
     * A call of a job would have read from a connection in the middle of another job's reading; the message names both. Its answer
     * would have been mixed up with that one's.
     */
    class ConnectionShared extends \RuntimeException implements KQueueException {}

    /** A job called exit(). */
    class JobExited extends \RuntimeException implements KQueueException {}

    /** An isolated job failed together with its child. */
    class ChildDied extends \RuntimeException implements KQueueException {}

    /** A throwable of an isolated job, as its child described it: class, message, file and line of the original. */
    class RemoteException extends \RuntimeException implements KQueueException
    {
        /** The class name of the original throwable. */
        public string $class = '';

        /** The original's trace, as text. */
        public string $remoteTrace = '';
    }
}
