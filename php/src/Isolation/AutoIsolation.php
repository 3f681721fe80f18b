<?php

declare(strict_types=1);

namespace KQueue\Isolation;

use Illuminate\Cache\ArrayStore;
use Illuminate\Cache\NullStore;
use Illuminate\Contracts\Foundation\Application;
use KQueue\Contracts\LaneContext;
use KQueue\Support\Clock;
use Throwable;

/**
 * Looks at what the jobs of a lane have cost: reports those that held up the others, and has their class run isolated from then on
 * if they did so for long.
 *
 * The lanes of a run share what they know in the engine's notes; the cache is read and written every few seconds, by whoever leads,
 * and when the run's last job has ended.
 */
final class AutoIsolation
{
    /** Seconds; a shorter slice is not worth a word. */
    private const SLOW = 0.25;

    /** Seconds between two looks at the cache: so long the run takes to hear of a reset, or of what another has found out. */
    private const REFRESH = 5.0;

    /** Seconds in which no second slow job of a class is reported. */
    private const QUIET = 60.0;

    /** The note as it was when it was last decoded. */
    private string $note = '';

    /** @var array<string, true> */
    private array $isolated = [];

    private readonly OwnCache $cache;

    public function __construct(
        private readonly Application $app,
        private readonly LaneContext $engine,
        private readonly float $slice,
        private readonly int $memory,
    ) {
        $this->cache = OwnCache::of($app);
    }

    public function isOn(): bool
    {
        return $this->slice > 0 || $this->memory > 0;
    }

    /** Whether jobs of this class have been found to misbehave in lanes. */
    public function isolates(string $class): bool
    {
        if (! $this->isOn()) {
            return false;
        }

        if (Clock::now() - (float) $this->engine->note('profile read') >= self::REFRESH) {
            $this->engine->note('profile read', (string) Clock::now());
            $this->writeDown();
            $this->refresh();
        }

        return isset($this->known()[$class]);
    }

    /**
     * The lane's last job was one of this class. Nothing that goes wrong here is the job's fault.
     *
     * @param  bool  $auto  whether it is left to KQueue how the class runs
     * @param  int|null  $maxMemory  MB that it says it needs
     */
    public function look(string $class, bool $auto, ?int $maxMemory): void
    {
        $usage = $this->engine->usage();
        $this->count($class, $usage);
        $reason = $auto ? $this->excess($usage, $maxMemory) : null;
        $trace = array_map($this->shorten(...), $usage['where']);

        if ($reason !== null && ! isset($this->known()[$class])) {
            $this->isolate($class, $reason);
            $this->log("{$class} {$reason}; it runs isolated from now on.", $trace);
        } elseif ($usage['longest_slice'] >= self::SLOW && $this->mayReport($class)) {
            $this->log("{$class} {$this->heldFor($usage)}; no other job could go on meanwhile.", $trace);
        }
    }

    /** What jobs have cost since the last time is added to the profile. */
    public function writeDown(): void
    {
        $classes = array_filter(explode("\n", $this->engine->note('costs', '')));
        $costs = [];

        foreach ($classes as $class) {
            $costs[$class] = json_decode($this->engine->note("cost {$class}", ''), true);
        }

        try {
            if ($costs !== [] && $this->isShared()) {
                $this->profile()->addCosts($costs);
            }
        } catch (Throwable) {
            // These figures are lost.
        }
    }

    /** @param  array{cpu: float, longest_slice: float, memory: int}  $usage */
    private function count(string $class, array $usage): void
    {
        if (! $this->isOn()) {
            return;
        }

        $cost = ['jobs' => 1] + array_intersect_key($usage, ['cpu' => 0.0, 'longest_slice' => 0.0, 'memory' => 0]);
        $before = json_decode($this->engine->note("cost {$class}"), true);

        if ($before === null) {
            $this->engine->note('costs', $this->engine->note('costs').$class."\n");
        }

        $this->engine->note("cost {$class}", (string) json_encode($before === null ? $cost : Profile::sum($before, $cost), JSON_PRESERVE_ZERO_FRACTION));
    }

    /**
     * @param  array{longest_slice: float, longest_cpu: float, memory: int, where: list<string>, effects: string, refused: string}  $usage
     * @return string|null why it must not run in a lane
     */
    private function excess(array $usage, ?int $maxMemory): ?string
    {
        $most = $maxMemory ?? $this->memory;

        return match (true) {
            ($usage['effects'] ?? '') !== '' => "loads {$usage['effects']}, which changes what other lanes do not get",
            $this->isOn() && ($usage['refused'] ?? '') !== '' => "called {$usage['refused']}(), which does not work in a lane",
            // Time in which other processes had the processor is not the job's fault.
            $this->slice > 0 && $usage['longest_cpu'] >= $this->slice => $this->heldFor($usage),
            $this->memory > 0 && $most > 0 && $usage['memory'] > $most * 1024 * 1024 => sprintf('used %d MB, more than %d', $usage['memory'] / 1024 / 1024, $most),
            default => null,
        };
    }

    /** @param  array{longest_slice: float, where: list<string>}  $usage */
    private function heldFor(array $usage): string
    {
        $place = $usage['where'] === [] ? '' : ' at '.$this->shorten($usage['where'][0]);

        return sprintf('held the loop for %.1f s%s', $usage['longest_slice'], $place);
    }

    private function shorten(string $place): string
    {
        $base = $this->app->basePath().DIRECTORY_SEPARATOR;

        return str_starts_with($place, $base) ? substr($place, strlen($base)) : $place;
    }

    private function isolate(string $class, string $reason): void
    {
        $this->publish($this->known() + [$class => true]);

        try {
            $this->profile()->add($class, $reason);
        } catch (Throwable $e) {
            $this->log("The profile of job classes could not be kept: {$e->getMessage()}", []);
        }
    }

    private function refresh(): void
    {
        try {
            // What the run has found out itself stays in the notes.
            if (! $this->isShared()) {
                return;
            }

            $profile = $this->profile();
            $isolated = $profile->all();

            foreach (array_intersect_key($profile->tried(), $this->known()) as $class => $entry) {
                $this->log("{$class} has run isolated since ".date('Y-m-d H:i:s', $entry['since'])." ({$entry['reason']}); it is tried in a lane again.", []);
            }

            $this->publish(array_map(static fn (): bool => true, $isolated));
        } catch (Throwable) {
            // The run goes on with what it knows.
        }
    }

    private function profile(): Profile
    {
        return Profile::in($this->app, $this->cache);
    }

    /** What some stores hold is this lane's alone. */
    private function isShared(): bool
    {
        $store = $this->cache->getStore();

        return ! $store instanceof ArrayStore && ! $store instanceof NullStore;
    }

    /** @return array<string, true> */
    private function known(): array
    {
        $note = $this->engine->note('profile');

        if ($note !== $this->note) {
            $this->note = $note;
            $this->isolated = array_fill_keys(json_decode($note, true) ?? [], true);
        }

        return $this->isolated;
    }

    /** @param  array<string, true>  $classes */
    private function publish(array $classes): void
    {
        $this->engine->note('profile', (string) json_encode(array_map(strval(...), array_keys($classes))));
    }

    private function mayReport(string $class): bool
    {
        $last = $this->engine->note("slow {$class}");
        $may = $last === '' || Clock::now() - (float) $last >= self::QUIET;

        if ($may) {
            $this->engine->note("slow {$class}", (string) Clock::now());
        }

        return $may;
    }

    /** @param  list<string>  $trace */
    private function log(string $message, array $trace): void
    {
        try {
            $this->app->make('log')->warning($message, $trace === [] ? [] : ['trace' => $trace]);
        } catch (Throwable $e) {
            error_log("kqueue: {$message} (and logging it failed: {$e->getMessage()})");
        }
    }
}
