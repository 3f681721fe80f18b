<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

/** What a worker printed: its lines for people, and with --json each job's entries. */
final class Output
{
    /** @var list<array<string, mixed>> */
    private array $entries = [];

    /** @var list<string> */
    private array $lines = [];

    public function __construct(string $output, private readonly Plain $plain)
    {
        foreach ($output === '' ? [] : explode("\n", rtrim($output, "\n")) as $line) {
            $entry = str_starts_with($line, '{') ? json_decode($line, true) : null;

            if (is_array($entry)) {
                $this->entries[] = $entry;
            } else {
                $this->lines[] = $this->line($line);
            }
        }
    }

    /** @return array<string, list<list<array<string, mixed>>>> by job; what belongs to none under '' */
    public function json(): array
    {
        $jobs = [];

        // As with events: a job that was released may have been taken by another lane before the line of its attempt is printed.
        usort($this->entries, static fn (array $a, array $b): int => ($a['attempts'] ?? 0) <=> ($b['attempts'] ?? 0));

        foreach ($this->entries as $entry) {
            $uuid = $entry['uuid'] ?? '';
            $name = $this->plain->nameOf($uuid) ?? '';

            foreach (['uuid', 'id', 'timestamp', 'duration', 'memory'] as $field) {
                if (isset($entry[$field])) {
                    $entry[$field] = "<{$field}>";
                }
            }

            $jobs[$name][$uuid][] = $this->plain->value($entry);
        }

        ksort($jobs);

        return array_map(static function (array $entries): array {
            sort($entries);

            return $entries;
        }, $jobs);
    }

    /** @return list<string> */
    public function lines(bool $inOrder): array
    {
        $lines = $this->lines;
        $inOrder || sort($lines);

        return $lines;
    }

    /** A line of a job fills the terminal: its width is kept in view, the dots in it are not. */
    private function line(string $line): string
    {
        $bare = preg_replace('/\e\[[\d;]*m/', '', $line);
        $width = str_contains($bare, '..') ? ' |'.mb_strlen($bare) : '';

        return preg_replace(
            ['/\d+yrs .*?(?= \S*(DONE|FAIL))/', '/\e\[90m(\.+)\e\[39m/', '/[\d,.]+(ms|[wdhms])( \d+[dhms])* wait, /', '/\.{2,}/', '/(?<![\d.,])[\d.,]+(ms|s)\b( \d+ms\b)?/', '/(?<![\d.])[\d.]+ ?MB\b/', '/(?<= )\d+(?= (database|redis) )|(?<= )\w{32}(?= (database|redis) )/'],
            ['', '$1', '', '…', '<duration>', '<memory>', '<id>'],
            $this->plain->text($line),
        ).$width;
    }
}
