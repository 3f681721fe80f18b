<?php

declare(strict_types=1);

namespace KQueue\Testing;

use Closure;
use Illuminate\Container\Container;
use Illuminate\Support\Facades\Facade;
use KQueue\Application\Template;
use KQueue\Contracts\Engine;
use KQueue\Process\Runner;
use KQueue\Support\Laravel;
use KQueue\Support\Settings;
use LogicException;

/**
 * Runs lanes and isolated children at once, one after the other, in the calling process, so that code on top of KQueue can be
 * tested without the extension.
 *
 * MUST be bound as \KQueue\Contracts\Engine in the application under test and in every application that its bootstrap file makes.
 */
final class FakeEngine implements Engine
{
    public bool $available = true;

    /** @var array<string, mixed>|null what supervise() was given */
    public ?array $options = null;

    /** @var list<array<string, mixed>> */
    public array $reserved = [];

    public int $finished = 0;

    public int $lanes = 0;

    /** @var list<float> */
    public array $idled = [];

    /** @var list<array{request: string, timeout: float|null, memory: int|null, priority: int}> */
    public array $isolated = [];

    /** @var list<string> the requests of fresh() */
    public array $fresh = [];

    /** Whether the process was taken for the template before it had an application: lanes boot theirs. */
    public bool $hasTemplate = false;

    /** @var array<string, mixed> what template() reports */
    public array $audit = [];

    /** Set to pretend that lanes beside this one have jobs. */
    public int $others = 0;

    public ?int $signal = null;

    /** Called by idle(). */
    public ?Closure $whenIdle = null;

    /** Ends a run that would idle for ever. */
    public int $mostIdles = 20;

    /** @var list<array{status: string, result: string, reason: string}|Closure> what isolate() does instead of asking the child */
    public array $outcomes = [];

    public bool $timedOut = false;

    /** Called before each inline job, in its lane. */
    public ?Closure $beforeJob = null;

    /** Inline jobs end by exit() at once. */
    public bool $exits = false;

    /** And that because they caught their timeout again and again. */
    public bool $exitsOverdue = false;

    public bool $stopping = false;

    public bool $paused = false;

    public int $status = 0;

    public ?string $reason = null;

    /** What lanes printed. */
    public string $written = '';

    /** @var list<array{string, string}> levels and texts that run() tells at its start */
    public array $messages = [];

    /** @var array<string, string> */
    public array $notes = [];

    /** How many processors the run may use at once. */
    public int $cores = 2;

    /** @var array<string, mixed> what usage() reports of the job that has just run; forgotten with the next one */
    public array $usage = [];

    /** @var array<string, mixed> what usage() reports of every job */
    public array $usageOfAll = [];

    /** @var list<float|null> what lead() was asked with */
    public array $patience = [];

    /** @var list<bool> for each of the next calls of lead(): whether it calls the lane out of the line */
    public array $calledOut = [];

    /** @var array<int, string> the permits that lanes have */
    public array $permits = [];

    /** @var list<array{string, int}> */
    public array $permitsAsked = [];

    /** @var list<string> names of permits that others wait for */
    public array $wanted = [];

    /** @var list<bool> for each of the next calls of isShort(): what it returns */
    public array $short = [];

    /** @var list<bool> what settling() was told */
    public array $settling = [];

    private int $lastPermit = 0;

    private ?float $lastFinished = null;

    private bool $inChild = false;

    private ?Container $base = null;

    private ?Closure $onSignal = null;

    private ?Closure $child = null;

    private ?Closure $boot = null;

    private ?Settings $settings = null;

    private ?Closure $answer = null;

    public function available(): bool
    {
        return $this->available;
    }

    public function cores(): int
    {
        return $this->cores;
    }

    public function supervise(array $options, callable $runner, callable $child, callable $rescue): int
    {
        $this->options = $options;
        $this->child = $child(...);
        // The runner is a new process each time.
        $this->boot = null;
        $this->base = Container::getInstance();
        $this->settings = $runner instanceof Runner ? (fn (): Settings => $this->settings)->call($runner) : null;

        try {
            return $runner();
        } finally {
            self::enter($this->base);
        }
    }

    public function template(?callable $boot, array $shared): array
    {
        $this->boot = $boot === null ? $this->applicationLike(...) : $boot(...);
        Laravel::forgetListeners();
        ($this->boot)();

        return $this->audit + [
            'objects' => 0, 'closures' => 0, 'arrays' => 0, 'shared_arrays' => 0, 'bytes' => 0, 'seconds' => 0.0,
            'refused' => [], 'destructors' => [],
        ];
    }

    public function hasTemplate(): bool
    {
        return $this->hasTemplate || $this->boot !== null;
    }

    /** Objects cannot be copied without the extension: an application that boots as the process's did stands for its copy. */
    private function applicationLike(): void
    {
        Template::boot($this->settings->toArray());
    }

    public function run(callable $lane, int $concurrency, bool $cloned, ?callable $onSignal = null, ?callable $onMessage = null): void
    {
        foreach ($this->messages as [$level, $text]) {
            $onMessage === null || $onMessage($level, $text);
        }

        $this->onSignal = $onSignal === null ? null : $onSignal(...);
        $this->notes = [];

        while (! $this->stopping) {
            $this->lanes++;
            // A lane that boots begins with static properties as declared.
            $this->hasTemplate && Laravel::forgetListeners();
            $lane();
        }
    }

    public function lead(?float $patience = null): ?bool
    {
        $this->patience[] = $patience;

        return $this->stopping ? false : (array_shift($this->calledOut) === true ? null : true);
    }

    public function permit(string $name, int $limit): int
    {
        $this->permitsAsked[] = [$name, $limit];
        $this->permits[++$this->lastPermit] = $name;

        return $this->lastPermit;
    }

    public function release(int $permit): void
    {
        unset($this->permits[$permit]);
    }

    public function wanted(): array
    {
        $this->mustBeLane('wanted');

        return array_values(array_unique(array_intersect($this->permits, $this->wanted)));
    }

    public function isShort(): bool
    {
        $this->mustBeLane('isShort');

        return array_shift($this->short) ?? false;
    }

    public function settling(bool $begins): void
    {
        $this->settling[] = $begins;
    }

    public function idle(float $seconds): void
    {
        $this->idled[] = $seconds;

        if ($this->whenIdle !== null) {
            ($this->whenIdle)($this);
        }

        if (count($this->idled) >= $this->mostIdles) {
            $this->stop(0, 'interrupted');
        }
    }

    public function reserved(array $job): void
    {
        $this->reserved[] = $job + ['timeout' => null];
        $this->timedOut = false;
        $this->usage = [];
    }

    public function begin(?float $timeout, ?callable $onSignal, int $memory): void
    {
        $last = array_key_last($this->reserved);
        $this->reserved[$last] = array_replace($this->reserved[$last], ['timeout' => $timeout, 'onSignal' => $onSignal, 'memory' => $memory]);
    }

    public function finished(): void
    {
        $this->finished++;
        $this->lastFinished = microtime(true);
    }

    public function timedOut(): bool
    {
        $this->mustBeLane('timedOut');
        [$timedOut, $this->timedOut] = [$this->timedOut, false];

        return $timedOut;
    }

    public function note(string $name, ?string $text = null): string
    {
        $this->mustBeLane('note');
        $last = $this->notes[$name] ?? '';

        if ($text === '') {
            unset($this->notes[$name]);
        } elseif ($text !== null) {
            $this->notes[$name] = $text;
        }

        return $last;
    }

    public function usage(): array
    {
        $this->mustBeLane('usage');

        return $this->usage + $this->usageOfAll + [
            'wall' => 0.0, 'cpu' => 0.0, 'slices' => 1, 'longest_slice' => 0.0, 'longest_cpu' => 0.0, 'memory' => 0, 'where' => [], 'effects' => '', 'refused' => '',
        ];
    }

    public function contain(callable $callback): bool
    {
        if ($this->exits) {
            $this->timedOut = $this->exitsOverdue;

            return false;
        }

        if ($this->beforeJob !== null) {
            ($this->beforeJob)($this);
        }

        $callback();

        return true;
    }

    public function isolate(string $request, callable $answer, ?float $timeout = null, ?int $memory = null, int $priority = 0): array
    {
        $this->isolated[] = compact('request', 'timeout', 'memory', 'priority');
        $this->answer = $answer(...);

        $outcome = array_shift($this->outcomes);

        if ($outcome instanceof Closure) {
            return $outcome($request, $this->answer);
        }

        return $outcome ?? ['status' => 'done', 'result' => $this->inChild($request), 'reason' => ''];
    }

    public function fresh(string $request, callable $handler, callable $answer): array
    {
        $this->fresh[] = $request;
        $lane = Container::getInstance();

        $this->answer = static function (string $question) use ($lane, $answer): string {
            $fresh = Container::getInstance();
            self::enter($lane);

            try {
                return $answer($question);
            } finally {
                self::enter($fresh);
            }
        };

        try {
            if ($this->boot !== null) {
                Laravel::forgetListeners();
                ($this->boot)();
            }

            return ['status' => 'done', 'result' => $handler($request), 'reason' => ''];
        } finally {
            self::enter($lane);
        }
    }

    public function ask(string $question): string
    {
        return ($this->answer)($question);
    }

    public function write(string $lines): void
    {
        $this->written .= $lines;
    }

    public function stop(int $status, string $reason): void
    {
        if (! $this->stopping) {
            [$this->stopping, $this->status, $this->reason] = [true, $status, $reason];
        }
    }

    public function isStopping(): bool
    {
        return $this->stopping;
    }

    public function isPaused(): bool
    {
        return $this->paused;
    }

    public function exitStatus(): int
    {
        return $this->status;
    }

    public function stopReason(): ?string
    {
        return $this->reason;
    }

    public function jobsInFlight(): int
    {
        return count($this->reserved) - $this->finished + $this->others;
    }

    public function jobsReserved(): int
    {
        return count($this->reserved);
    }

    public function sinceLastFinished(): ?float
    {
        return $this->lastFinished === null ? null : microtime(true) - $this->lastFinished;
    }

    /** A signal comes, as the run and the running job are told of it. */
    public function signal(int $signal): void
    {
        $lane = Container::getInstance();
        $this->base === null || self::enter($this->base);
        $this->onSignal === null || ($this->onSignal)($signal);
        self::enter($lane);

        if (in_array($signal, [12, 18], true)) {
            $this->paused = $signal === 12;
        }

        if (in_array($signal, [2, 3, 15], true)) {
            $this->signal = $signal;
            $this->stop(0, 'interrupted');
            $job = count($this->reserved) > $this->finished ? $this->reserved[array_key_last($this->reserved)] : [];
            isset($job['onSignal']) && $job['onSignal']($signal);
        }
    }

    /** The child's application is the one that supervise() was called in, not the lane's. */
    private function inChild(string $request): string
    {
        $lane = Container::getInstance();
        self::enter($this->base);
        $this->inChild = true;

        try {
            return ($this->child)($request);
        } finally {
            $this->inChild = false;
            self::enter($lane);
        }
    }

    private function mustBeLane(string $method): void
    {
        if ($this->inChild) {
            throw new LogicException("Engine::{$method}() works inside a lane only");
        }
    }

    /** What a process or lane boundary does to statics, done by hand for the two that matter most. */
    private static function enter(Container $app): void
    {
        Container::setInstance($app);
        Facade::setFacadeApplication($app);
        Facade::clearResolvedInstances();
    }
}
