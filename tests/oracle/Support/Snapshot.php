<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use Illuminate\Foundation\Application;

/**
 * What a worker did and left behind, without what differs from one run to the next (times, random ids), and sorted wherever the
 * order in which independent jobs end would show.
 */
final class Snapshot
{
    /** Fired once or on a change: how often is compared. Of the other events without a job it matters only that they are fired. */
    private const COUNTED = ['WorkerStarting', 'WorkerStopping', 'WorkerInterrupted', 'WorkerPausing', 'WorkerResuming', 'WorkerQueuePaused', 'WorkerQueueResumed'];

    private readonly Plain $plain;

    /** @var list<array<string, mixed>> of the worker, and of whoever queued for it */
    private array $record;

    /**
     * @param  list<array<string, mixed>>  $record
     * @param  list<string>  $queues  of the cases
     */
    public function __construct(private readonly Application $app, array $record, private readonly array $queues)
    {
        $this->plain = new Plain($record);
        $this->record = self::withoutLivesOfChildren($record);
    }

    /**
     * @param  list<int>  $exits
     * @return array<string, mixed>
     */
    public function take(array $exits, string $output, bool $shared, bool $inOrder): array
    {
        $output = new Output($output, $this->plain);

        $whole = [
            'exit' => $exits,
            'worker' => $this->worker(),
            'jobs' => $this->jobs(),
            'json' => $output->json(),
            'notes' => $this->notes(),
            'left' => (new Stores($this->app, $this->plain))->all(),
            'lines' => $output->lines($inOrder),
            'places' => $this->places(),
        ];

        if ($inOrder) {
            $whole['order'] = $this->order();
        }

        return $shared ? $this->apart($whole) : ['' => $whole];
    }

    /**
     * An isolated child's application hears of a worker of its own; tests/e2e/LifeTest.php looks at that.
     *
     * @param  list<array<string, mixed>>  $record
     * @return list<array<string, mixed>>
     */
    private static function withoutLivesOfChildren(array $record): array
    {
        $popping = [];

        foreach ($record as $entry) {
            if (preg_match('/^JobPopp(ing|ed)\b/', $entry['what'])) {
                $popping[$entry['pid']] = true;
            }
        }

        return array_values(array_filter(
            $record,
            static fn (array $entry): bool => isset($popping[$entry['pid']]) || ! preg_match('/^((Looping|WorkerStarting|WorkerStopping)\b|(looping|starting|stopping)$)/', $entry['what']),
        ));
    }

    /** @return array<string, mixed> */
    private function worker(): array
    {
        $events = [];

        foreach ($this->record as $entry) {
            if ($entry['kind'] === 'event' && ! isset($entry['uuid'])) {
                $what = $this->plain->text($entry['what']);
                $events[$what] = in_array(strtok($what, ' '), self::COUNTED, true) ? ($events[$what] ?? 0) + 1 : 'fired';
            }
        }

        ksort($events);

        return $events;
    }

    /** @return array<string, list<list<string>>> by label: for each job of that label all that happened to it */
    private function jobs(): array
    {
        $traces = [];

        // A job that was released may be taken by another lane, or another worker, before the events of its attempt are over.
        $record = array_filter($this->record, static fn (array $entry): bool => isset($entry['uuid']));
        usort($record, static fn (array $a, array $b): int => $a['attempt'] <=> $b['attempt']);

        foreach ($record as $entry) {
            $name = "{$entry['queue']}: {$entry['label']}";
            $traces[$name][$entry['uuid']][] = $this->plain->text($entry['what']);

            if (isset($entry['payload'])) {
                $traces[$name][$entry['uuid']][] = 'payload '.json_encode($this->plain->payload($entry['payload']));
            }
        }

        ksort($traces);

        return array_map(static function (array $jobs): array {
            sort($jobs);

            return $jobs;
        }, $traces);
    }

    /** @return list<string> */
    private function notes(): array
    {
        $notes = array_map(
            fn (array $entry): string => ($entry['queue'] ?? '').': '.$this->plain->text($entry['what']),
            array_filter($this->record, static fn (array $entry): bool => $entry['kind'] !== 'event' && ! isset($entry['uuid'])),
        );
        sort($notes);

        return $notes;
    }

    /** @return list<string> all that the worker did, in its order, but idle rounds only once */
    private function order(): array
    {
        $order = $seen = [];
        $driver = getmypid();

        foreach (array_filter($this->record, static fn (array $entry): bool => $entry['pid'] !== $driver) as $entry) {
            $what = (isset($entry['label']) ? "{$entry['label']}: " : '').$this->plain->text($entry['what']);
            $isLoop = isset($entry['uuid']) ? false : in_array(strtok($what, ' '), ['Looping', 'JobPopping', 'WorkerIdle'], true);

            if (! $isLoop) {
                $order[] = $what;
                $seen = [];
            } elseif (! isset($seen[$what])) {
                $order[] = $what;
                $seen[$what] = true;
            }
        }

        return $order;
    }

    /**
     * In which processes things happened: an isolated job's own events and code in one that takes no jobs from the queue.
     *
     * @return list<string>
     */
    private function places(): array
    {
        $driver = getmypid();
        $popping = $running = [];

        foreach ($this->record as $entry) {
            if ($entry['pid'] === $driver) {
                continue;
            }

            if ($entry['kind'] === 'did' && isset($entry['uuid']) || preg_match('/^Job(Processing|Processed|ExceptionOccurred|Attempted)\b/', $entry['what'])) {
                $running[$entry['pid']] = true;
            } elseif (preg_match('/^(JobPopp(ing|ed)|Looping|Worker\w+)\b/', $entry['what'])) {
                $popping[$entry['pid']] = true;
            }
        }

        return array_values(array_filter([
            array_diff_key($running, $popping) !== [] ? 'jobs run in processes that take none' : null,
            array_intersect_key($running, $popping) !== [] ? 'jobs run in a process that takes them' : null,
        ]));
    }

    /**
     * Each case's part, by its queue, and under '' what is left then: of the worker, or of nobody.
     *
     * @param  array<string, mixed>  $whole
     * @return array<string, array<string, mixed>>
     */
    private function apart(array $whole): array
    {
        $parts = ['' => $whole];

        foreach ($this->queues as $queue) {
            $parts[$queue] = ['jobs' => [], 'json' => [], 'notes' => [], 'left' => []];
        }

        foreach (['jobs', 'json', 'notes', 'left'] as $section) {
            foreach ($whole[$section] as $name => $value) {
                if (preg_match('/case\d{3}/', "{$name} ".json_encode($value), $match) && isset($parts[$match[0]])) {
                    $parts[$match[0]][$section][$name] = $value;
                    unset($parts[''][$section][$name]);
                }
            }

            foreach ($parts as $part => $content) {
                $parts[$part][$section] = array_is_list($whole[$section]) ? array_values($content[$section]) : $content[$section];
            }
        }

        return $parts;
    }
}
