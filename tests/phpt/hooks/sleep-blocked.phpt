--TEST--
Where a lane may not be suspended, alarms do not cut sleeps and waits short, but its own deadline does
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';
use KQueue\{Engine, Runtime};

// An autoloader is such a place. What it sleeps by is in a class's name.
spl_autoload_register(function ($class) {
    $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $read = [$pair[0]];
    $none = null;
    stream_set_timeout($pair[0], 0, 700000);
    $began = microtime(true);
    $result = match ($class) {
        'by_sleep' => sleep(1),
        'by_usleep' => usleep(700000),
        'by_time_nanosleep' => time_nanosleep(0, 700000000),
        'by_time_sleep_until' => time_sleep_until(microtime(true) + 0.7),
        'by_stream_select' => stream_select($read, $none, $none, 0, 700000),
        'by_fread' => fread($pair[0], 1),
        'for_long' => sleep(20),
    };
    global $slept;
    $slept = [microtime(true) - $began, $result];
});
$names = ['by_sleep', 'by_usleep', 'by_time_nanosleep', 'by_time_sleep_until', 'by_stream_select', 'by_fread'];

// A slice that takes 0.25 s has an alarm set: only that of Laravel's lanes.
$sleep = function (string $name) {
    class_exists($name);
    [$time, $result] = $GLOBALS['slept'];

    return ($time > 0.69 ? 'slept well' : "cut short after $time s").', '.json_encode($result);
};
$jobs = [];
foreach ($names as $name) {
    $jobs[$name] = fn () => $sleep($name);
}
lanes($jobs, false, 1);

// And those of other jobs' deadlines.
$runtime = new Runtime(isolated: 0, concurrency: 3);
$ended = [];
$runtime->onFinished(function ($id, $result) use (&$ended) { $ended[$id] = $result; });
$runtime->onFailed(function ($id, $error) use (&$ended) { $ended[$id] = get_class($error); });
$runtime->dispatch(fn () => usleep(2_000_000), timeout: 0.2);
$runtime->dispatch(function () { class_exists('by_usleep'); return $GLOBALS['slept'][0] > 0.69 ? 'slept well' : 'cut short'; }, timeout: 10);
$runtime->run();
$began = microtime(true);
$runtime->dispatch(fn () => class_exists('for_long'), timeout: 0.2);
$runtime->run();
ksort($ended);
echo implode("\n", $ended), "\n";
echo microtime(true) - $began < 10 ? "soon\n" : "late\n";
?>
--EXPECT--
by_sleep: slept well, 0
by_usleep: slept well, null
by_time_nanosleep: slept well, true
by_time_sleep_until: slept well, true
by_stream_select: slept well, 0
by_fread: slept well, false
KQueue\Exception\JobTimedOut
slept well
KQueue\Exception\JobTimedOut
soon
