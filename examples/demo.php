<?php

// KQueue without Laravel: php -d extension=kqueue.so examples/demo.php
//
// A program that hands in jobs over a few seconds and watches them: fast ones run side by side in one process, a heavy one in a
// process of its own, and one that crashes takes only its own process with it.

declare(strict_types=1);

use KQueue\Runtime;

if (! extension_loaded('kqueue')) {
    fwrite(STDERR, "The kqueue extension is not loaded: php -d extension=kqueue.so {$argv[0]}\n");
    exit(1);
}

/** Waits, as a job that calls a slow API does. */
final class Fast
{
    public function __construct(public string $name, private float $seconds = 0.5) {}

    public function handle(): string
    {
        usleep((int) ($this->seconds * 1_000_000));

        return 'pid '.getmypid();
    }
}

/** Keeps a processor busy. */
final class Heavy
{
    public function __construct(public string $name, private float $seconds = 2.0) {}

    public function handle(): string
    {
        $end = microtime(true) + $this->seconds;
        for ($rounds = 0; microtime(true) < $end; $rounds++) {
            hash('sha256', (string) $rounds);
        }

        return 'pid '.getmypid();
    }
}

/** Dies of a segmentation fault, as a broken extension makes a job die. */
final class Crash
{
    public function __construct(public string $name) {}

    public function handle(): void
    {
        posix_kill(getmypid(), SIGSEGV);
        sleep(10);
    }
}

$runtime = new Runtime(concurrency: 10, isolated: 2);
$began = microtime(true);
$ended = []; // name => [seconds since the start, result or error]

$say = function (string $line) use ($began): void {
    printf("%5.2f s  %s\n", microtime(true) - $began, $line);
};
$done = function (object $job, string $what) use (&$ended, $began, $say): void {
    $ended[$job->name] = [microtime(true) - $began, $what];
    $say("{$job->name}: {$what}");
};

$jobs = [];
$dispatch = function (object $job, bool $isolated = false) use ($runtime, &$jobs): void {
    $jobs[$runtime->dispatch($job, isolated: $isolated)] = $job;
};

$runtime->onStarted(fn (int $id, object $job) => $say("{$job->name} starts"));
$runtime->onFinished(function (int $id, mixed $result) use (&$jobs, $done) {
    $done($jobs[$id], "done ({$result})");
});
$runtime->onFailed(function (int $id, Throwable $error) use (&$jobs, $done) {
    $done($jobs[$id], 'failed: '.$error->getMessage());
});

echo 'One process, pid '.getmypid().". Fast jobs wait 0.5 s each, the heavy one computes for 2 s.\n";

$runtime->after(0, function () use ($dispatch) {
    foreach (['fast 1', 'fast 2', 'fast 3'] as $name) {
        $dispatch(new Fast($name));
    }
});
$runtime->after(2, fn () => $dispatch(new Heavy('heavy'), isolated: true));
$runtime->after(3, function () use ($dispatch) {
    foreach (['fast 4', 'fast 5'] as $name) {
        $dispatch(new Fast($name));
    }
});
$runtime->every(5, function () use ($runtime, $say) {
    $stats = $runtime->stats();
    $say(sprintf(
        'memory %.1f MB, %d running, %d finished, %d failed, %d children',
        $stats['rss'] / 1048576, $stats['running'], $stats['finished'], $stats['failed'], $stats['children'],
    ));
});

// The crash, while another job is half-way.
$runtime->after(4.5, function () use ($dispatch) {
    $dispatch(new Fast('fast 6'));
    $dispatch(new Crash('crash'), isolated: true);
});

// A graceful stop: what runs ends, what waits does not start.
$runtime->after(5.5, function () use ($runtime, $dispatch, $say) {
    $dispatch(new Fast('fast 7'));
    $runtime->after(0.1, function () use ($runtime, $say) {
        $say('stop');
        $runtime->dispatch(fn () => $say('this must not run'), delay: 0.2);
        $runtime->stop();
    });
});

$runtime->run();
$say('stopped');

// What the lines above should have shown.
$at = fn (string $name): float => $ended[$name][0] ?? INF;
$checks = [
    'three fast jobs of 0.5 s ran side by side' => max($at('fast 1'), $at('fast 2'), $at('fast 3')) < 1.4,
    'they ran in this process' => $ended['fast 1'][1] === 'done (pid '.getmypid().')',
    'the heavy job ran in another' => ! in_array($ended['heavy'][1] ?? '', ['', 'done (pid '.getmypid().')'], true),
    'two fast jobs ended while it ran' => max($at('fast 4'), $at('fast 5')) < $at('heavy'),
    'the crash failed, with its cause' => str_contains($ended['crash'][1] ?? '', 'signal 11'),
    'its neighbour went on' => ($ended['fast 6'][1] ?? '') === 'done (pid '.getmypid().')',
    'the job that ran at the stop ended' => isset($ended['fast 7']) && count($ended) === 9,
];

foreach ($checks as $what => $holds) {
    echo $holds ? '  ok   ' : '  FAIL ', $what, "\n";
}

if (in_array(false, $checks, true)) {
    echo "demo: some checks failed\n";
    exit(1);
}
echo "demo: all checks passed\n";
