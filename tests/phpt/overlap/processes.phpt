--TEST--
Programs, pipes, forks
--EXTENSIONS--
posix
kqueue
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
// They are silent about a job that has gone at its deadline.
$line = fn ($which) => "text $which\n";
// A pipe closes with its variable, and waits for its program: from PHP 8.4 on that ends at a deadline too, and is told.
set_error_handler(fn (int $level, string $message) => str_starts_with($message, 'KQueue: what job 1 left behind has destructors that ran longer'));
row('exec', function ($seconds, $which) { exec("exec 2>/dev/null; sleep $seconds; echo text $which; exit 3", $lines, $status); return [$lines, $status]; }, fn ($which) => [["text $which"], 3]);
row('shell-exec', fn ($seconds, $which) => shell_exec("exec 2>/dev/null; sleep $seconds; echo text $which"), $line);
row('system', function ($seconds, $which) {
    ob_start();
    $last = system("exec 2>/dev/null; sleep $seconds; echo text $which", $status);

    return [ob_get_clean(), $last, $status];
}, fn ($which) => ["text $which\n", "text $which", 0]);
row('popen', function ($seconds, $which) { $pipe = popen("exec 2>/dev/null; sleep $seconds; echo text $which", 'r'); return [fgets($pipe), pclose($pipe)]; }, fn ($which) => ["text $which\n", 0]);
row('pclose', function ($seconds) { return pclose(popen("sleep $seconds; exit 2", 'w')); }, 2);
row('proc-close', fn ($seconds) => proc_close(proc_open("sleep $seconds; exit 4", [], $pipes)), 4);
row('proc-pipes', function ($seconds, $which) {
    $process = proc_open("sleep $seconds; cat; echo error $which >&2; exit 5", [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
    fwrite($pipes[0], "text $which");
    fclose($pipes[0]);

    return [stream_get_contents($pipes[1]), stream_get_contents($pipes[2]), proc_close($process)];
}, fn ($which) => ["text $which", "error $which\n", 5]);
// More than a pipe holds, to a reader that starts late.
row('proc-write', function ($seconds) {
    $process = proc_open("exec 2>/dev/null; sleep $seconds; wc -c", [['pipe', 'r'], ['pipe', 'w']], $pipes);
    $written = fwrite($pipes[0], str_repeat('x', 300000));
    fclose($pipes[0]);

    return [$written, (int) stream_get_contents($pipes[1]), proc_close($process)];
}, [300000, 300000, 0]);
row('waitpid', function ($seconds, $which) {
    $child = pcntl_fork();
    if ($child === 0) {
        usleep((int) ($seconds * 1e6));
        posix_kill(getmypid(), SIGKILL);
    }
    pcntl_waitpid($child, $status);

    return pcntl_wtermsig($status);
}, 9);
// Lanes cannot change what signals their process blocks.
pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]);
row('signal-wait', fn ($seconds) => pcntl_sigtimedwait([SIGUSR1], $info, 0, (int) ($seconds * 1e9)), PHP_VERSION_ID < 80400 ? -1 : false);
?>
--EXPECT--
exec: as documented
shell-exec: as documented
system: as documented
popen: as documented
pclose: as documented
proc-close: as documented
proc-pipes: as documented
proc-write: as documented
waitpid: as documented
signal-wait: as documented
