--TEST--
usage(): what a job has cost, and where a slice that holds the loop was
--EXTENSIONS--
kqueue
--FILE--
<?php
use KQueue\Engine;

function spin(float $seconds): int
{
    for ($end = hrtime(true) + $seconds * 1e9, $count = 0; hrtime(true) < $end;) {
        $count++;
    }

    return $count;
}

/** Takes its time in one call of C code. */
function one_call(): string
{
    $text = str_repeat('ab', 40);

    return hash_pbkdf2('sha256', $text, 'salt',
        1500000);
}

$jobs = [
    'waits' => function () { usleep(300000); usleep(1000); },
    'spins' => function () { usleep(1000); spin(0.4); usleep(1000); spin(0.05); },
    'one call' => function () { one_call(); usleep(1000); },
    'at the end' => function () { spin(0.3); },
    'memory' => function () { $all = str_repeat('x', 5 << 20); usleep(1000); unset($all); usleep(1000); },
    'short' => function () { },
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
    $places = array_map(static fn (string $place): string => basename($place), $usage['where']);
    echo "$name: {$usage['slices']} slices, ", match ($name) {
        'waits' => 'wall '.near($usage['wall'], 0.301).', cpu '.($usage['cpu'] < 0.25 ? 'little' : $usage['cpu']),
        'spins' => 'wall '.near($usage['wall'], 0.452).', longest '.near($usage['longest_slice'], 0.4).', cpu '.($usage['cpu'] > 0.2 && $usage['cpu'] <= $usage['wall'] ? 'most of it' : $usage['cpu']),
        'one call' => $usage['longest_slice'] > 0.25 ? 'slow' : "too fast for this test: {$usage['longest_slice']}",
        'at the end' => 'longest '.near($usage['longest_slice'], 0.3),
        'memory' => intdiv($usage['memory'], 1 << 20).' MB',
        'short' => $usage['wall'] < 0.1 ? 'nothing' : $usage['wall'],
    }, $places ? ' at '.$places[0].' called at '.($places[1] ?? '?') : '', "\n";
}
try {
    Engine::usage();
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
waits: 3 slices, wall about 0.301, cpu little
spins: 3 slices, wall about 0.452, longest about 0.4, cpu most of it at usage.php:6 called at usage.php:24
one call: 2 slices, slow at usage.php:18 called at usage.php:25
at the end: 1 slices, longest about 0.3 at usage.php:6 called at usage.php:26
memory: 3 slices, 5 MB
short: 1 slices, nothing
Engine::usage() works inside a lane only
