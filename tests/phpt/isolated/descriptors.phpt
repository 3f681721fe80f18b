--TEST--
What goes wrong below is told: with no descriptor left for a child's socket a warning says so, and the job gets its child later
--EXTENSIONS--
kqueue
posix
--SKIPIF--
<?php
if (! function_exists('posix_setrlimit')) {
    die('skip: PHP 8.2 cannot set limits');
}
?>
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';
$runtime = new KQueue\Runtime(isolated: 1);
posix_setrlimit(POSIX_RLIMIT_NOFILE, 200, 200);
$warnings = [];
set_error_handler(function (int $level, string $message) use (&$warnings): bool {
    $warnings[] = $message;

    return true;
});
$runtime->onFinished(function (int $id, mixed $result): void { echo "finished: ", json_encode($result), "\n"; });
$runtime->dispatch(function () use ($runtime, &$warnings): string {
    // With what is kept back for such a socket there would be one.
    $soft = posix_getrlimit()['soft openfiles'];
    posix_setrlimit(POSIX_RLIMIT_NOFILE, $soft, $soft);
    $files = [];
    while ($file = @fopen('/dev/null', 'r')) {
        $files[] = $file;
    }
    $runtime->dispatch(new Task('give', 'from a child'), isolated: true);
    for ($end = microtime(true) + 20; ! preg_grep('/KQueue/', $warnings) && microtime(true) < $end;) {
        usleep(1000);
    }

    return 'files are closed';
});
$runtime->run();
echo implode("\n", array_unique(preg_grep('/KQueue/', $warnings))), "\n";
?>
--EXPECT--
finished: "files are closed"
finished: "from a child"
KQueue: cannot take over an isolated child: too many open files; raise the limit (ulimit -n). Trying again later
