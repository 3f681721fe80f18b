<?php

declare(strict_types=1);

namespace KQueue\Isolation;

use Illuminate\Support\Str;
use ReflectionClass;

/**
 * Says from a job's payload how it is to run; the job itself is not unserialized for that, which could query the database.
 *
 * The operator's word (--isolate, config kqueue.isolate) comes before the job's: what the job object had when it was
 * dispatched, or what its class declares. Where neither says anything, the observer does.
 */
final class Policy
{
    /** @param  list<string>  $isolate  class names or patterns */
    public function __construct(
        private readonly array $isolate,
        private readonly bool $isolateAll,
        private readonly int $maxMemory,
        private readonly ?AutoIsolation $observer = null,
    ) {}

    /**
     * Whether nothing that earlier jobs changed may be seen by this one.
     *
     * @param  array<string, mixed>  $payload
     */
    public function isFresh(array $payload): bool
    {
        return self::property($payload, 'fresh') === true;
    }

    /** @param  array<string, mixed>  $payload */
    public function isolates(array $payload): bool
    {
        if ($this->isolateAll || $this->isListed($payload)) {
            return true;
        }

        $said = self::property($payload, 'isolated', load: false);

        // A class that is known to misbehave is not loaded here: that may be what it does.
        return is_bool($said) ? $said : $this->misbehaves($payload) || self::property($payload, 'isolated') === true;
    }

    /**
     * Whether the job itself says where it runs; else it is left to KQueue.
     *
     * @param  array<string, mixed>  $payload
     */
    public static function isSaid(array $payload, bool $mayLoad = true): bool
    {
        return is_bool(self::property($payload, 'isolated', $mayLoad));
    }

    /**
     * An inline job has ended.
     *
     * @param  array<string, mixed>  $payload
     */
    public function ran(array $payload): void
    {
        $memory = self::property($payload, 'maxMemory');

        $this->observer?->look(
            self::classOf($payload),
            ! self::isSaid($payload),
            is_int($memory) && $memory > 0 ? $memory : null,
        );
    }

    /** The run is over. */
    public function writeDown(): void
    {
        $this->observer?->writeDown();
    }

    /** @param  array<string, mixed>  $payload */
    private function misbehaves(array $payload): bool
    {
        return $this->observer?->isolates(self::classOf($payload)) ?? false;
    }

    /**
     * By which the profile knows it.
     *
     * @param  array<string, mixed>  $payload
     */
    public static function classOf(array $payload): string
    {
        return self::names($payload)[0] ?? 'a job without a name';
    }

    /**
     * @param  array<string, mixed>  $payload
     * @return int MB; 0 is no limit
     */
    public function memoryOf(array $payload): int
    {
        $memory = self::property($payload, 'maxMemory', ! $this->misbehaves($payload));

        return is_int($memory) && $memory > 0 ? $memory : $this->maxMemory;
    }

    /** @param  array<string, mixed>  $payload */
    public function priorityOf(array $payload): int
    {
        $priority = self::property($payload, 'priority', ! $this->misbehaves($payload));

        return is_int($priority) ? $priority : 0;
    }

    /** @param  array<string, mixed>  $payload */
    private function isListed(array $payload): bool
    {
        foreach (self::names($payload) as $name) {
            if (Str::is($this->isolate, $name)) {
                return true;
            }
        }

        return false;
    }

    /** @param  array<string, mixed>  $payload */
    private static function property(array $payload, string $property, bool $load = true): mixed
    {
        if (isset($payload['kqueue'][$property])) {
            return $payload['kqueue'][$property];
        }

        foreach (self::names($payload) as $name) {
            if (class_exists($name, $load)) {
                $value = (new ReflectionClass($name))->getDefaultProperties()[$property] ?? null;

                if ($value !== null) {
                    return $value;
                }
            }
        }

        return null;
    }

    /**
     * A queued listener, mailable or notification is wrapped in a class of Laravel's; the display name then is its own class.
     *
     * @param  array<string, mixed>  $payload
     * @return list<string>
     */
    private static function names(array $payload): array
    {
        $names = [$payload['displayName'] ?? null, $payload['data']['commandName'] ?? null];

        return array_values(array_unique(array_filter($names, static fn (mixed $name): bool => is_string($name) && $name !== '')));
    }
}
