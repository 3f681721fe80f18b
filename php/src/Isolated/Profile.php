<?php

declare(strict_types=1);

namespace KQueue\Isolated;

use Illuminate\Contracts\Cache\Repository as Cache;
use Throwable;

/**
 * The job classes that run isolated because their jobs misbehaved in lanes, and why. It lies in Laravel's default cache, so that it
 * survives the run and all runs of an application share it; it is written only when a class is added or removed.
 */
final class Profile
{
    public const KEY = 'kqueue:profile';

    public function __construct(private readonly Cache $cache) {}

    /** @return array<string, array{since: int, reason: string}> by class */
    public function all(): array
    {
        $classes = $this->cache->get(self::KEY);

        return is_array($classes) ? $classes : [];
    }

    public function add(string $class, string $reason): void
    {
        $this->cache->forever(self::KEY, $this->all() + [$class => ['since' => time(), 'reason' => $reason]]);
    }

    /** @return bool whether it was there */
    public function remove(string $class): bool
    {
        $classes = $this->all();
        $known = isset($classes[$class]);
        unset($classes[$class]);

        if ($known) {
            $this->cache->forever(self::KEY, $classes);
        }

        return $known;
    }

    /** @return int how many there were */
    public function clear(): int
    {
        $count = count($this->all());
        $this->cache->forget(self::KEY);

        return $count;
    }

    /** After a runner died in a job of the class. */
    public function addCrashed(string $class, string $cause): void
    {
        try {
            $this->add($class, "took its process down ({$cause})");
        } catch (Throwable) {
            // Without its cache the application has greater troubles; the job itself is dealt with.
        }
    }
}
