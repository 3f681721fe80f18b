--TEST--
A stop signal lets running jobs end and starts no new one; the second ends the program by that signal
--EXTENSIONS--
kqueue
posix
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

$code = <<<'PHP'
$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$runtime->dispatch(function () { echo "begins\n"; sleep(1); echo "ends\n"; });
$runtime->dispatch(function () { echo "the next\n"; });
$runtime->run();
echo "after run: ", $runtime->stats()['waiting'], " waiting\n";
PHP;

// Sends the signals one by one, the next after this time.
function signalled(string $code, int ...$signals): array
{
    return apart(1.2, $code, ...$signals);
}

function apart(float $seconds, string $code, int ...$signals): array
{
    $next = 0;

    return run_php($code, [], [], function (string $output, int $pid) use (&$signals, &$next, $seconds) {
        if ($signals && str_contains($output, 'begins') && microtime(true) > $next) {
            posix_kill($pid, array_shift($signals));
            $next = microtime(true) + $seconds;
        }
    });
}

foreach (['SIGTERM' => 15, 'SIGINT' => 2, 'SIGQUIT' => 3] as $name => $signal) {
    echo "$name: ", json_encode(signalled($code, $signal)), "\n";
}
$endless = str_replace('sleep(1)', 'sleep(100)', $code);
echo 'SIGTERM twice: ', json_encode(signalled($endless, 15, 15)), "\n";
echo 'SIGTERM, SIGINT: ', json_encode(signalled($endless, 15, 2)), "\n";

// A wrapper passes on what the terminal has sent to the whole group.
echo 'SIGINT at once: ', json_encode(apart(0.05, $code, 2, 2, 15)), "\n";

// After run() a signal is the program's own again.
$after = run_php('$runtime = new KQueue\Runtime(isolated: 0); $runtime->dispatch(fn () => 1); $runtime->run(); echo "begins\n"; sleep(100);',
    [], [], function ($output, $pid) { if (str_contains($output, 'begins')) { posix_kill($pid, 15); } });
echo 'afterwards: ', json_encode($after), "\n";
?>
--EXPECT--
SIGTERM: {"status":0,"signal":0,"output":"begins\nends\nafter run: 1 waiting\n"}
SIGINT: {"status":0,"signal":0,"output":"begins\nends\nafter run: 1 waiting\n"}
SIGQUIT: {"status":0,"signal":0,"output":"begins\nends\nafter run: 1 waiting\n"}
SIGTERM twice: {"status":-1,"signal":15,"output":"begins\n"}
SIGTERM, SIGINT: {"status":-1,"signal":2,"output":"begins\n"}
SIGINT at once: {"status":0,"signal":0,"output":"begins\nends\nafter run: 1 waiting\n"}
afterwards: {"status":-1,"signal":15,"output":"begins\n"}
