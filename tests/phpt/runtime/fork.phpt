--TEST--
A job that forks by pcntl_fork(): its child runs none of the parent's other jobs
--EXTENSIONS--
pcntl
posix
kqueue
--FILE--
<?php
$parent = getmypid();
$log = tempnam(sys_get_temp_dir(), 'kqueue');
$note = fn (string $text) => file_put_contents($log, (getmypid() === $parent ? 'parent' : 'child')." $text\n", FILE_APPEND);
register_shutdown_function(function () use ($note, $parent) { if (getmypid() !== $parent) { $note('shutdown function'); } });

$runtime = new KQueue\Runtime(concurrency: 10, isolated: 1);
$runtime->onFinished(function ($id) use ($note) { $note("finished $id"); });
$runtime->onFailed(function ($id, $error) use ($note) { $note("failed $id ".$error->getMessage()); });
$fork = fn (callable $in_child) => function () use ($in_child) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        $in_child();
    }
    pcntl_waitpid($pid, $status);
    return pcntl_wifexited($status) ? pcntl_wexitstatus($status) : -pcntl_wtermsig($status);
};
$statuses = [];
$runtime->onFinished(function ($id, $result) use (&$statuses) { if (is_int($result)) { $statuses[$id] = $result; } });
// It sleeps while the parent's other jobs would be due, then ends in one way or another.
$runtime->dispatch($fork(function () use ($note) { usleep(50000); sleep(0); $note('slept'); posix_kill(getmypid(), SIGKILL); }));
$runtime->dispatch($fork(function () use ($note) { usleep(50000); $note('exits'); exit(7); }));
$runtime->dispatch($fork(function () use ($note) { echo shell_exec('echo from a shell of the child'); $fiber = new Fiber(fn () => exit(8)); $fiber->start(); }));
$runtime->dispatch($fork(function () use ($note) { usleep(1000); ini_set('display_errors', '0'); throw new Exception('uncaught'); }));
$runtime->dispatch($fork(function () use ($note) { usleep(1000); while (true) { try { exit(9); } finally { } } }));
for ($i = 0; $i < 5; $i++) {
    $runtime->dispatch(function () use ($note) { usleep(20000); usleep(20000); $note('other'); return null; });
}
$runtime->dispatch(function () use ($note) { usleep(5000); $note('delayed'); }, delay: 0.1);
$runtime->run();
ksort($statuses);
echo json_encode($statuses), "\n";
$lines = array_count_values(file($log, FILE_IGNORE_NEW_LINES));
ksort($lines);
foreach ($lines as $line => $count) {
    echo "$count x $line\n";
}
unlink($log);
// The parent's zygote did not go with the forked processes.
class Job { public function handle() { return 'isolated'; } }
$runtime->onFinished(function ($id, $result) { echo "$result\n"; });
$runtime->dispatch(new Job, isolated: true);
$runtime->run();
?>
--EXPECT--
from a shell of the child
{"1":-9,"2":7,"3":8,"4":255,"5":9}
1 x child exits
1 x child slept
1 x parent delayed
1 x parent finished 1
1 x parent finished 10
1 x parent finished 11
1 x parent finished 2
1 x parent finished 3
1 x parent finished 4
1 x parent finished 5
1 x parent finished 6
1 x parent finished 7
1 x parent finished 8
1 x parent finished 9
5 x parent other
isolated
