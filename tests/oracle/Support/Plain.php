<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

/** Takes out of texts and payloads what is new in each run: ids, owners of locks, times. */
final class Plain
{
    private const UUID = '/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/';

    /** @var array<string, string> */
    private array $names = [];

    /** @param  list<array<string, mixed>>  $record */
    public function __construct(array $record)
    {
        foreach ($record as $entry) {
            if (($entry['uuid'] ?? '') !== '') {
                $this->names[$entry['uuid']] = "<{$entry['queue']}: {$entry['label']}>";
            }
        }
    }

    /** @return string|null the job's queue and label */
    public function nameOf(string $uuid): ?string
    {
        return isset($this->names[$uuid]) ? trim($this->names[$uuid], '<>') : null;
    }

    public function text(string $text): string
    {
        $text = str_replace((string) getenv('KQUEUE_TEST_FOLDER'), '<folder>', $text);
        $text = preg_replace_callback(self::UUID, fn (array $match): string => $this->names[$match[0]] ?? '<uuid>', $text);

        return preg_replace(
            ['/\b1[6-9]\d{8}(\.\d+)?\b/', '/s:(16|32|40):"[0-9A-Za-z]+"/', '/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)?/', '/ \(Connection: .*/s'],
            ['<time>', 's:$1:"<token>"', '<time>', ' (…)'],
            $text,
        );
    }

    /**
     * @param  array<string, mixed>  $payload
     * @return array<string, mixed>
     */
    public function payload(array $payload): array
    {
        foreach (['uuid', 'id', 'createdAt', 'retryUntil', 'pushedAt'] as $name) {
            if (isset($payload[$name])) {
                $payload[$name] = "<{$name}>";
            }
        }

        $command = $payload['data']['command'] ?? null;

        if (is_string($command)) {
            $payload['data']['command'] = match (true) {
                ! str_starts_with($command, 'O:') => '<encrypted>',
                // What a closure is signed with depends on the ids in it.
                str_contains($command, 'SerializableClosure') => '<with a closure>',
                default => $this->text($command),
            };
        }

        return $this->value($payload);
    }

    public function value(mixed $value): mixed
    {
        if (is_array($value)) {
            array_is_list($value) || ksort($value);

            return array_map($this->value(...), $value);
        }

        if (is_int($value) || is_float($value)) {
            return $value > 1_600_000_000 ? '<time>' : $value;
        }

        return is_string($value) ? $this->text($value) : $value;
    }

    /** How far away a time is, roughly: tests that look at it use long times. */
    public function until(int|float|null $time): ?string
    {
        $seconds = $time === null ? null : $time - time();

        return match (true) {
            $seconds === null => null,
            $seconds < 20 => 'now',
            default => '~'.(round($seconds / 50) * 50).' s',
        };
    }
}
