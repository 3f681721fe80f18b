<?php

declare(strict_types=1);

namespace KQueue\Isolation;

use Illuminate\Contracts\Cache\Repository as Cache;
use Illuminate\Contracts\Foundation\Application;
use KQueue\Support\Config;
use Throwable;

/**
 * What job classes have cost in lanes, and which of them run isolated because their jobs misbehaved there, and why. It lies in
 * Laravel's default cache, so that it survives the run and all runs of an application share it: the isolated classes, which change
 * seldom, apart from the figures, of which runs that write at the same moment may lose each other's.
 */
final class Profile
{
    public const KEY = 'kqueue:profile';

    public const COSTS = 'kqueue:profile:costs';

    /** Names of jobs may be without end, if they have a number in them. */
    private const MOST = 500;

    /** A class that had to be isolated this often is on probation no longer than after these times: doubling ends here. */
    private const MOST_DOUBLED = 6;

    /** @param  float  $probation  seconds after which a class is tried in a lane again, doubled each time it fails there; 0: never */
    public function __construct(private readonly Cache $cache, private readonly float $probation = 0.0) {}

    public static function in(Application $app, Cache $cache): self
    {
        return new self($cache, (float) Config::of($app)['auto']['probation']);
    }

    /** @return array<string, array{since: int, reason: string, times?: int}> those that are isolated now, by class */
    public function all(): array
    {
        return array_filter($this->read(self::KEY), fn (array $entry): bool => ! $this->isOver($entry));
    }

    /** @return array<string, array{since: int, reason: string, times?: int}> those that were isolated and are tried in lanes again */
    public function tried(): array
    {
        return array_filter($this->read(self::KEY), $this->isOver(...));
    }

    /** @param  array{since: int, times?: int}  $entry */
    private function isOver(array $entry): bool
    {
        $doubled = min(($entry['times'] ?? 1) - 1, self::MOST_DOUBLED);

        return $this->probation > 0 && time() >= $entry['since'] + $this->probation * 2 ** $doubled;
    }

    /** @return array<string, array{jobs: int, cpu: float, longest_slice: float, memory: int}> by class */
    public function costs(): array
    {
        return $this->read(self::COSTS);
    }

    public function add(string $class, string $reason): void
    {
        $all = $this->read(self::KEY);
        $before = $all[$class] ?? null;

        if ($before === null || $this->isOver($before)) {
            $all[$class] = ['since' => time(), 'reason' => $reason, 'times' => ($before['times'] ?? 0) + 1];
            $this->cache->forever(self::KEY, $all);
        }
    }

    /** @param  array<string, array{jobs: int, cpu: float, longest_slice: float, memory: int}>  $costs of jobs that have run since the last time */
    public function addCosts(array $costs): void
    {
        $all = $this->costs();

        foreach ($costs as $class => $cost) {
            $all[$class] = isset($all[$class]) ? self::sum($all[$class], $cost) : $cost;
        }

        if (count($all) > self::MOST) {
            uasort($all, static fn (array $one, array $other): int => $other['cpu'] <=> $one['cpu']);
            $all = array_slice($all, 0, self::MOST);
        }

        $this->cache->forever(self::COSTS, $all);
    }

    /**
     * @param  array{jobs: int, cpu: float, longest_slice: float, memory: int}  $one
     * @param  array{jobs: int, cpu: float, longest_slice: float, memory: int}  $other
     * @return array{jobs: int, cpu: float, longest_slice: float, memory: int}
     */
    public static function sum(array $one, array $other): array
    {
        return [
            'jobs' => $one['jobs'] + $other['jobs'],
            'cpu' => $one['cpu'] + $other['cpu'],
            'longest_slice' => max($one['longest_slice'], $other['longest_slice']),
            'memory' => max($one['memory'], $other['memory']),
        ];
    }

    /** @return bool whether it was there */
    public function remove(string $class): bool
    {
        $known = false;

        foreach ([self::KEY, self::COSTS] as $key) {
            $classes = $this->read($key);

            if (isset($classes[$class])) {
                $known = true;
                unset($classes[$class]);
                $this->cache->forever($key, $classes);
            }
        }

        return $known;
    }

    /** @return int how many classes there were */
    public function clear(): int
    {
        $count = count($this->read(self::KEY) + $this->costs());
        $this->cache->forget(self::KEY);
        $this->cache->forget(self::COSTS);

        return $count;
    }

    /**
     * After a runner died of a job of the class.
     *
     * @return bool whether it could be written down
     */
    public function addCrashed(string $class, string $cause): bool
    {
        try {
            $this->add($class, "took its process down ({$cause})");

            return true;
        } catch (Throwable) {
            // Without its cache the application has greater troubles; the job itself is dealt with.
            return false;
        }
    }

    /** @return array<string, array<string, mixed>> */
    private function read(string $key): array
    {
        $classes = $this->cache->get($key);

        return is_array($classes) ? $classes : [];
    }
}
