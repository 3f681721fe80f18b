--TEST--
A job that waits for any process finds its own: not another lane's, not KQueue's, not the program's
--EXTENSIONS--
pcntl
posix
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';

/** Starts a process that ends with this status after a while. */
function start(int $status, float $seconds): int
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        // Without the hooks of the parent: it blocks.
        usleep((int) ($seconds * 1e6));
        exit($status);
    }

    return $pid;
}

$ways = [
    'pcntl_wait' => function (&$status) { return pcntl_wait($status); },
    'pcntl_waitpid' => function (&$status) { return pcntl_waitpid(-1, $status); },
    'its group' => function (&$status) { return pcntl_waitpid(0, $status); },
    'usage' => function (&$status) { $usage = []; return pcntl_wait($status, 0, $usage); },
    'without waiting' => function (&$status) { while (($pid = pcntl_wait($status, WNOHANG)) === 0) { usleep(1000); } return $pid; },
    'inside of usort' => function (&$status) { $result = 0; sorting(function () use (&$status, &$result) { $result = pcntl_wait($status); }); return $result; },
];
if (function_exists('pcntl_waitid')) {
    $ways['waitid'] = function (&$status) { $info = []; return pcntl_waitid(P_ALL, null, $info) ? [$status = $info['status'] << 8, $info['pid']][1] : -1; };
}

/** Calls it from C code. */
function sorting(callable $call): void
{
    $list = [2, 1];
    usort($list, function ($a, $b) use ($call) { $call(); return $a <=> $b; });
}

$own = start(99, 0);
$runtime = new KQueue\Runtime(concurrency: 20, isolated: 1);
$runtime->onFailed(function ($id, $error) { echo get_class($error), ': ', $error->getMessage(), "\n"; });
$results = [];
$number = 0;
foreach ($ways as $name => $wait) {
    // The one that ends later waits first, and the other lane's process ends meanwhile.
    foreach ([0.3, 0.05, 0.15] as $seconds) {
        $number++;
        $runtime->dispatch(function () use ($name, $wait, $seconds, $number, &$results) {
            $pid = start($number, $seconds);
            $found = $wait($status);
            $results[$name][] = $found === $pid && pcntl_wifexited($status) && pcntl_wexitstatus($status) === $number
                // There is no other: not the zygote, not the program's.
                && pcntl_wait($status) === -1 && pcntl_get_last_error() === PCNTL_ECHILD && pcntl_wait($status, WNOHANG) === -1;
        });
    }
}
$runtime->dispatch(function () use (&$results) { $results['has none'][] = pcntl_wait($status) === -1; });
$runtime->dispatch(function () use (&$results) {
    $several = [start(1, 0.2), start(2, 0.1), start(3, 0)];
    $found = [];
    while (($pid = pcntl_wait($status)) > 0) {
        $found[] = $pid;
    }
    sort($several);
    sort($found);
    $results['several'][] = $found === $several;
});
$runtime->dispatch(function () use (&$results) {
    $process = proc_open(['sh', '-c', 'exit 5'], [], $pipes);
    $results['proc_close'][] = proc_close($process) === 5 && pcntl_wait($status) === -1;
    $process = proc_open(['sh', '-c', 'exit 6'], [], $pipes);
    $results['of proc_open'][] = pcntl_wait($status) === proc_get_status($process)['pid'] && pcntl_wexitstatus($status) === 6;
    $results['shell_exec'][] = shell_exec('echo of a shell') === "of a shell\n";
});
// What a job has left is not found by a later one of the same lane, and is reaped when it ends.
$left = [];
$runtime->run();
$one = new KQueue\Runtime(concurrency: 1, isolated: 0);
$one->dispatch(function () use (&$left) { $left[] = start(7, 0); $left[] = start(8, 0.1); });
$one->dispatch(function () use (&$results) { usleep(200_000); $results['the next job'][] = pcntl_wait($status) === -1; });
$one->dispatch(function () use (&$results, &$left) {
    for ($i = 0; $i < 1000 && array_filter($left, fn ($pid) => posix_kill($pid, 0)); $i++) {
        usleep(5000);
    }
    $results['reaped'][] = $i < 1000;
});
$one->run();
echo count($results) >= 13 ? 'all ran' : count($results), "\n";
foreach ($results as $name => $all) {
    if (in_array(false, $all, true)) {
        echo $name, ': ', json_encode($all), "\n";
    }
}
// The zygote lives, and the program's process is there for it.
isolated($runtime, ['isolated' => new Task('give', 1)]);
echo pcntl_waitpid($own, $status) === $own ? pcntl_wexitstatus($status) : 'lost', "\n";
?>
--EXPECT--
all ran
isolated: 1
99
