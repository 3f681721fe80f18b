--TEST--
What an isolated job leaves in its process does not meet the next job: it is set back, or the process is replaced
--EXTENSIONS--
pcntl
posix
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';

/** Leaves something behind, then tells its process. */
class Leaves
{
    public function __construct(public string $what) {}

    public function handle(): int
    {
        match ($this->what) {
            'nothing', 'statics' => null,
            'alarm' => pcntl_alarm(60),
            'alarm that comes soon' => (function () { pcntl_alarm(1); })(),
            'time limit' => set_time_limit(100),
            'umask' => umask(0),
            'directory' => chdir('/'),
            'environment' => (putenv('LEFT=1') && putenv('TZ=Asia/Tokyo') && putenv('KEPT')),
            'locale' => setlocale(LC_ALL, 'C.UTF-8'),
            'ini' => (ini_set('precision', '3') && ini_set('include_path', '/left')),
            'time zone' => date_default_timezone_set('Asia/Tokyo'),
            'seed' => mt_srand(42),
            'error handler' => set_error_handler(fn () => true),
            'exception handler' => set_exception_handler(fn () => null),
            'output buffer' => ob_start(),
            'last error' => @$undefined['x'],
            'async signals' => pcntl_async_signals(true),
            'ignored signal' => pcntl_signal(SIGUSR1, SIG_IGN),
            'handler' => pcntl_signal(SIGUSR1, function () { echo "a handler of another job\n"; }),
            'mask' => pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]),
            'priority' => pcntl_setpriority(5),
            'group' => posix_setpgid(0, posix_getppid()) || posix_setpgid(0, posix_getpgid(posix_getppid())),
            'zombie' => (function () { $pid = pcntl_fork(); if ($pid === 0) { posix_kill(getmypid(), SIGKILL); } })(),
            'process that runs on' => exec('sleep 60 > /dev/null 2>&1 & echo $! > '.getenv('PIDFILE')),
            'standard output' => fclose(STDOUT),
            'oom score' => file_put_contents('/proc/self/oom_score_adj', '500'),
        };

        return getmypid();
    }
}

/** What a process has that the other jobs of this test may have changed. */
class Looks
{
    public function handle(): array
    {
        $handler = set_error_handler(null);
        restore_error_handler();
        $exceptions = set_exception_handler(null);
        restore_exception_handler();
        preg_match_all('/^(?:SigIgn|SigCgt|SigBlk):.*$/m', file_get_contents('/proc/self/status'), $status);

        return [
            getmypid(), [
                'alarm' => pcntl_alarm(0), 'limit' => ini_get('max_execution_time'), 'umask' => umask(), 'directory' => getcwd(), 'environment' => getenv(), 'hour' => date('H', 0),
                'locale' => setlocale(LC_ALL, 0), 'ini' => [ini_get('precision'), ini_get('include_path')], 'zone' => date_default_timezone_get(),
                'handlers' => [$handler, $exceptions], 'buffers' => ob_get_level(), 'error' => error_get_last(), 'async' => pcntl_async_signals(),
                'signals' => $status[0], 'priority' => pcntl_getpriority(), 'group' => posix_getpgid(0) === getmypid(), 'children' => pcntl_wait($ignored, WNOHANG),
                'output' => is_resource(STDOUT), 'oom' => trim(file_get_contents('/proc/self/oom_score_adj')),
            ], mt_rand(),
        ];
    }
}

putenv('KEPT=1');
putenv('PIDFILE='.$file = tempnam(sys_get_temp_dir(), 'kqueue'));
$results = [];
$run = function (object $job) use (&$results): mixed {
    $runtime = $GLOBALS['runtime'];
    $id = $runtime->dispatch($job, isolated: true, timeout: 20.0);
    $runtime->run();

    return $results[$id] ?? null;
};
$runtime = new KQueue\Runtime(isolated: 1);
$runtime->onFinished(function ($id, $result) use (&$results) { $results[$id] = $result; });
$runtime->onFailed(function ($id, $error) use (&$results) { $results[$id] = $error->getMessage(); });
[, $pristine] = $run(new Looks);
$numbers = [];
foreach ([
    'set back' => ['nothing', 'alarm', 'time limit', 'umask', 'directory', 'environment', 'locale', 'ini', 'time zone', 'seed', 'error handler', 'exception handler', 'output buffer', 'last error', 'async signals'],
    'replaced' => ['ignored signal', 'handler', 'mask', 'priority', 'group', 'zombie', 'process that runs on', 'standard output', 'oom score'],
] as $expected => $kinds) {
    foreach ($kinds as $what) {
        $left = $run(new Leaves($what));
        [$pid, $found, $numbers[]] = $run(new Looks);
        $actual = $left === $pid ? 'set back' : 'replaced';
        if (! is_int($left) || $actual !== $expected || $found != $pristine) {
            echo "$what: $actual; ", json_encode([$left, ...array_filter($found, fn ($value, $name) => $value != $pristine[$name], ARRAY_FILTER_USE_BOTH)]), "\n";
        }
    }
}
echo count($numbers) - count(array_unique($numbers)), " random numbers twice\n";

// The process that a job has left runs on when the next job of its process is ended with its group.
class Dies { public function handle() { posix_kill(getmypid(), SIGKILL); } }
echo $run(new Dies), "\n";
$pid = (int) file_get_contents($file);
var_dump($pid > 0 && posix_kill($pid, 0));
posix_kill($pid, SIGKILL);

// An alarm that is set and not yet due does not end a later job.
$run(new Leaves('alarm that comes soon'));
echo json_encode($run(new Task('sleep', 1.5))), "\n";
unlink($file);
?>
--EXPECT--
0 random numbers twice
the job's isolated child was killed by signal 9 (SIGKILL)
bool(true)
"slept"
