<?php

/**
 * The differences that are meant, by the keys of the table in docs/laravel.md. Each changes what queue:work did into what
 * kqueue:run has to do instead, or takes away what cannot be compared. A case names those that concern it; whatever else
 * differs fails. Null is what no trace shows, or no case here has: other tests look at it.
 */

declare(strict_types=1);

use Illuminate\Queue\Events\JobAttempted;
use Illuminate\Queue\Events\JobReleasedAfterException;

return [
    'isolated-events' => static function (array &$expected, array &$actual, string $mode): void {
        if ($mode === 'isolated' && ($expected['places'] ?? []) !== []) {
            $expected['places'] = ['jobs run in processes that take none'];
        }
    },

    'lines' => static function (array &$expected, array &$actual, string $mode): void {
        if (! isset($expected['lines'])) {
            return;
        }

        // Only with -v do lines have ids.
        $lines = preg_grep('/<id>/', $expected['lines']) === [] ? preg_grep('/RUNNING/', $expected['lines'], PREG_GREP_INVERT) : $expected['lines'];
        $lines = $sorted = array_values($lines);
        sort($sorted);
        $selfFailed = preg_match_all('/JobProcessed #\d+ \S*failed/', json_encode($expected['jobs']));

        foreach ($lines as $number => $line) {
            if ($selfFailed > 0 && str_contains($line, 'DONE') && ($lines === $sorted || str_contains($lines[$number - 1] ?? '', 'FAIL'))) {
                unset($lines[$number]);
                $selfFailed--;
            }
        }

        $expected['lines'] = array_values($lines);

        if ($mode === 'isolated') {
            sort($expected['lines']);
            sort($actual['lines']);
        }
    },

    'json' => static function (array &$expected, array &$actual, string $mode): void {
        foreach (array_diff(array_keys($actual['json']), ['']) as $name) {
            $actual['json'][$name] = array_map(static fn (array $entries): array => array_map(
                static fn (array $entry): array => (($entry['isolated'] ?? null) === ($mode === 'isolated') || $entry['connection'] === 'sync' && is_bool($entry['isolated'] ?? null)) && is_int($entry['pid'] ?? null) && is_int($entry['wait'] ?? 0)
                    ? array_diff_key($entry, ['isolated' => 0, 'pid' => 0, 'wait' => 0])
                    : $entry,
                $entries,
            ), $actual['json'][$name]);
        }
    },

    'profile' => static function (array &$expected, array &$actual, string $mode): void {
        if ($mode === 'inline') {
            $actual['left'] = array_filter($actual['left'], static fn (string $key): bool => ! str_ends_with($key, 'kqueue:profile:costs'), ARRAY_FILTER_USE_KEY);
        }
    },

    // To each lane that ran jobs it is a worker of its own that starts and stops: together they have run as many jobs.
    'worker-events' => static function (array &$expected, array &$actual, string $mode): void {
        $last = preg_grep('/^WorkerStopping /', array_keys($expected['worker'] ?? []));
        $jobs = 0;

        if (count($last) !== 1 || array_is_list($actual['worker'])) {
            return;
        }

        foreach ($actual['worker'] as $event => $count) {
            if (str_starts_with($event, 'WorkerStarting ')) {
                $actual['worker'][$event] = min($count, 1);
            } elseif (preg_match('/^WorkerStopping .*?(?:jobsProcessed=(\d+) |$)/', $event, $match)) {
                $jobs += $count * (int) ($match[1] ?? 0);
                unset($actual['worker'][$event]);
                // The run's reason is that of the lanes that were there as it ended.
                $end = preg_replace('/jobsProcessed=\d+ /', '', $event);
                $ends[$end] = $event;
            }
        }

        foreach ($ends ?? [] as $end => $event) {
            if (count($ends) === 1 || $end === preg_replace('/jobsProcessed=\d+ /', '', current($last))) {
                $actual['worker'][preg_replace('/jobsProcessed=\d+ /', "jobsProcessed={$jobs} ", $event)] = 1;
            }
        }

        ksort($actual['worker']);
    },

    'timeout' => static function (array &$expected, array &$actual, string $mode): void {
        $expected['exit'] = array_values(array_diff($expected['exit'], [137]));
        unset($expected['places'], $actual['places']);

        // One worker instead of two.
        foreach (['worker', 'lines'] as $section) {
            foreach ([&$expected, &$actual] as &$trace) {
                $trace[$section] = array_is_list($trace[$section])
                    ? preg_grep('/Worker STOPPED/', $trace[$section], PREG_GREP_INVERT)
                    : array_filter($trace[$section], static fn (string $event): bool => ! preg_match('/^Worker(Starting|Stopping)/', $event), ARRAY_FILTER_USE_KEY);
            }
        }

        // Laravel 10 writes the row in the transaction that the job had open, and that ends with the process.
        if (! property_exists(JobReleasedAfterException::class, 'backoff') && str_contains(json_encode($expected['jobs']), 'sleepsInTransaction')) {
            $expected['left'] += array_filter($actual['left'], static fn (string $key): bool => str_starts_with($key, 'failed_jobs '), ARRAY_FILTER_USE_KEY);
        }

        foreach ($expected['jobs'] as &$jobs) {
            foreach ($jobs as &$events) {
                preg_match('/"displayName":"(.*?)"|TimeoutExceededException: (\S+) has/', implode($events), $name);
                $exception = 'Illuminate\Queue\TimeoutExceededException: '.stripslashes($name[1]).($name[2] ?? '').' has timed out.';
                $events = array_merge(...array_map(static function (string $event) use ($exception, $mode, &$expected): array {
                    if (! preg_match('/^JobTimedOut (#\d+)( \S*failed)?(?: |$)/', $event, $match)) {
                        return [$event];
                    }

                    $failed = ($match[2] ?? '') !== '';
                    $details = property_exists(JobReleasedAfterException::class, 'backoff') ? " backoff=0 exception={$exception}" : '';
                    $failed || $expected['lines'][] = '  <time> KQueue\Tests\Oracle\App\Job … <duration> FAIL |98';

                    return array_filter([
                        $event,
                        $failed ? null : "JobReleasedAfterException {$match[1]} released{$details}",
                        $mode === 'isolated' || ! class_exists(JobAttempted::class) ? null : "JobAttempted {$match[1]} ".($failed ? 'deleted+failed' : 'released').' exception=KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows',
                        "reported {$exception}",
                    ]);
                }, $events));
            }
        }

        sort($expected['lines']);
        sort($actual['lines']);
    },

    'unreadable' => static function (array &$expected): void {
        foreach ($expected['jobs'] as $name => $jobs) {
            if (str_ends_with($name, ': unnamed')) {
                array_splice($expected['jobs'][$name][0], 1, 0, ['JobProcessing #1']);
            }
        }

        $popped = array_search('unnamed: JobPopped #1', $expected['order'], true);
        array_splice($expected['order'], $popped + 1, 0, ['unnamed: JobProcessing #1']);
        array_unshift($expected['lines'], '  <time> unreadable … <duration> FAIL |98');
    },

    'verbose' => static function (array &$expected, array &$actual): void {
        $more = array_values(preg_grep('/^  (Closed what|Each lane copies|Hooks)/', $actual['lines'], PREG_GREP_INVERT));
        count($more) === count($actual['lines']) - 3 && $actual['lines'] = $more;
    },

    'lost-connection' => static function (array &$expected, array &$actual): void {
        unset($expected['worker'], $actual['worker'], $expected['lines'], $actual['lines']);
    },

    'interrupt' => null,
    'exit' => null,
    'death' => null,
    'transaction' => null,
    'order' => null,
    'empty' => null,
    'drain' => null,
    'rest' => null,
    'memory' => null,
    'second-signal' => null,
    'refused' => null,
];
