<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use Closure;

/** What is queued, and how a worker is run then. The same for queue:work and kqueue:run. */
final class OracleCase
{
    /**
     * @param  Closure(Scene): void  $before  queues jobs, before the worker starts
     * @param  list<string>|null  $arguments  of the worker, with {queue} for the case's; null: it needs no worker of its own and shares one with others
     * @param  (Closure(Scene): void)|null  $meanwhile  what is done while the worker runs
     * @param  (Closure(Scene): void)|null  $after  what is done when it has ended, before anything is compared
     * @param  array<string, mixed>  $config  of the application, with {folder} for the run's own, {port} for Redis's and {database} for a second one there
     * @param  list<string>  $wiring  methods of App\Wiring that the application calls when it boots
     * @param  list<string>  $on  queue connections
     * @param  list<string>  $allow  keys of allowances.php
     * @param  bool  $inOrder  kqueue:run gets one lane, and what happens has to happen in the same order
     * @param  bool  $mayIdle  whether it is idle in between depends on how fast it is, and is not compared
     * @param  bool  $restarted  the worker is started again when it was killed, as a process manager does
     * @param  bool  $byDefault  the worker is told neither connection nor queue
     * @param  string|null  $needs  what the installed Laravel has to have, in the words of Installed; else the case is skipped
     * @param  array<string, string>  $environment
     */
    public function __construct(
        public readonly Closure $before,
        public readonly ?array $arguments = null,
        public readonly ?Closure $meanwhile = null,
        public readonly ?Closure $after = null,
        public readonly array $config = [],
        public readonly array $wiring = [],
        public readonly array $on = ['database', 'redis'],
        public readonly array $allow = [],
        public readonly bool $inOrder = false,
        public readonly bool $mayIdle = false,
        public readonly bool $restarted = false,
        public readonly bool $byDefault = false,
        public readonly ?string $needs = null,
        public readonly array $environment = [],
    ) {}

    public function canBePlayed(): bool
    {
        return $this->needs === null || Installed::has($this->needs);
    }

    /** @param  list<string>  $connections  of which it gets the one of this number, if it is for several */
    public function onOneOf(array $connections, int $number): self
    {
        $on = array_values(array_intersect($connections, $this->on));

        return new self(...['on' => [$on[$number % count($on)]]] + get_object_vars($this));
    }
}
