--TEST--
usage(): what a job has cost, and where a slice that holds the loop was
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
use KQueue\Engine;

/** Uses the processor that long, whoever else wants it. */
function spin(float $seconds): void
{
    for ($end = used() + $seconds; used() < $end;) {
    }
}

function used(): float
{
    $use = getrusage();

    return $use['ru_utime.tv_sec'] + $use['ru_stime.tv_sec'] + ($use['ru_utime.tv_usec'] + $use['ru_stime.tv_usec']) / 1e6;
}

/** Takes its time in one call of C code. */
function one_call(): string
{
    $text = str_repeat('ab', 40);

    return hash_pbkdf2('sha256', $text, 'salt',
        2500000);
}

$jobs = [
    'waits' => function () { usleep(300000); usleep(1000); },
    'spins' => function () { usleep(1000); spin(0.4); usleep(1000); spin(0.001); },
    'one call' => function () { one_call(); usleep(1000); },
    'at the end' => function () { spin(0.3); },
    'memory' => function () { $all = str_repeat('x', 5 << 20); usleep(1000); unset($all); usleep(1000); },
    'short' => function () { },
    'beside' => function () { KQueue\concurrently([fn () => spin(0.3), function () { usleep(1000); $all = str_repeat('x', 5 << 20); usleep(1000); unset($all); }]); },
];

$names = array_keys($jobs);
$shared = (object) ['jobs' => $jobs, 'usage' => []];
Engine::run(static function () use ($shared) {
    while (Engine::lead()) {
        $name = array_key_first($shared->jobs);
        if ($name === null) {
            Engine::stop();
            continue;
        }
        $job = $shared->jobs[$name];
        unset($shared->jobs[$name]);
        spin(0.001);
        $lost = str_repeat('y', 2 << 20);    // what the leader does is not the job's
        unset($lost);
        Engine::reserved(['id' => $name, 'class' => 'test', 'connection' => '', 'queue' => '']);
        $job();
        Engine::finished();
        spin(0.3);    // nor is what comes after
        $shared->usage[$name] = Engine::usage();
    }
}, 1, false);

function near(float $value, float $wanted): string
{
    // Other processes may have the processor meanwhile.
    return $value >= $wanted * 0.9 && $value < $wanted + 5 ? "about $wanted" : (string) $value;
}

foreach ($names as $name) {
    $usage = $shared->usage[$name];
    // The innermost may be used(), which spin() calls again and again.
    $places = array_values(array_diff(array_map(basename(...), $usage['where']), ['usage.php:12', 'usage.php:13', 'usage.php:14']));
    echo "$name: {$usage['slices']} slices, ", match ($name) {
        'waits' => 'wall '.near($usage['wall'], 0.301).', cpu '.($usage['cpu'] < 0.25 ? 'little' : $usage['cpu']),
        'spins' => 'wall '.near($usage['wall'], 0.4).', longest '.near($usage['longest_slice'], 0.4).', cpu '.($usage['cpu'] > 0.35 && $usage['cpu'] <= $usage['wall'] ? 'most of it' : $usage['cpu']),
        'one call' => $usage['longest_slice'] > 0.25 ? 'slow' : "too fast for this test: {$usage['longest_slice']}",
        'at the end' => 'longest '.near($usage['longest_slice'], 0.3),
        'memory' => intdiv($usage['memory'], 1 << 20).' MB',
        'short' => $usage['wall'] < 2 ? 'nothing' : $usage['wall'],
        'beside' => 'longest '.near($usage['longest_slice'], 0.3).', '.intdiv($usage['memory'], 1 << 20).' MB',
    }, $places && in_array($name, ['spins', 'one call', 'at the end', 'beside']) ? ' at '.$places[0].' called at '.($places[1] ?? '?') : '', "\n";
}
try {
    Engine::usage();
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
waits: 3 slices, wall about 0.301, cpu little
spins: 3 slices, wall about 0.4, longest about 0.4, cpu most of it at usage.php:7 called at usage.php:29
one call: 2 slices, slow at usage.php:23 called at usage.php:30
at the end: 1 slices, longest about 0.3 at usage.php:7 called at usage.php:31
memory: 3 slices, 5 MB
short: 1 slices, nothing
beside: 6 slices, longest about 0.3, 5 MB at usage.php:7 called at usage.php:34
Engine::usage() works inside a lane only
