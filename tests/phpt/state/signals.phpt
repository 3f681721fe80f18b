--TEST--
A handler of a signal that is merely registered in a lane is kept there and never called; the process's own stays
--EXTENSIONS--
kqueue
pcntl
posix
--FILE--
<?php
$called = [];
pcntl_async_signals(false);
pcntl_signal(SIGUSR2, function () use (&$called) { $called[] = 'process'; });
$own = pcntl_signal_get_handler(SIGUSR2);
$seen = [];

$runtime = new KQueue\Runtime(isolated: 0);
foreach (['a', 'b'] as $name) {
    $runtime->dispatch(function () use ($name, &$called, &$seen, $own) {
        $first = pcntl_signal_get_handler(SIGUSR2) === $own;
        pcntl_async_signals(true);
        $handler = function () use ($name, &$called) { $called[] = $name; };
        $seen[$name]['registered'] = [pcntl_signal(SIGUSR2, $handler), pcntl_signal(SIGTERM, SIG_IGN), pcntl_signal(SIGCHLD, 'strlen', false)];
        usleep(20_000);
        $seen[$name]['found'] = [$first, pcntl_signal_get_handler(SIGUSR2) === $handler, pcntl_signal_get_handler(SIGTERM) === SIG_IGN, pcntl_signal_get_handler(SIGCHLD), pcntl_signal_get_handler(SIGWINCH)];
        $seen[$name]['async'] = pcntl_async_signals();
        pcntl_signal(SIGTERM, SIG_DFL);
        $seen[$name]['again'] = pcntl_signal_get_handler(SIGTERM);
        foreach ([fn () => pcntl_signal(SIGUSR2, 'no such function'), fn () => pcntl_signal(1000, 'strlen'), fn () => posix_kill(getmypid(), SIGUSR2), fn () => pcntl_signal('10', 'strlen')] as $wrong) {
            try {
                var_dump($wrong());
            } catch (Throwable $error) {
                $seen[$name]['wrong'][] = get_class($error);
            }
        }
        $seen[$name]['kept'] = pcntl_signal_get_handler(SIGUSR2) === $handler;
    });
}
$runtime->run();

foreach ($seen as $name => $what) {
    echo $name, ': ', json_encode($what), "\n";
}
echo 'called: ', json_encode($called), "\n";

// The process is as before.
var_dump(pcntl_signal_get_handler(SIGUSR2) === $own, pcntl_signal_get_handler(SIGTERM), pcntl_async_signals());
posix_kill(getmypid(), SIGUSR2);
pcntl_signal_dispatch();
echo 'called: ', json_encode($called), "\n";

// A job that follows in the same lane has none of it.
$runtime->dispatch(fn () => printf("next: %s %s\n", json_encode(pcntl_signal_get_handler(SIGUSR2) === $own), json_encode(pcntl_async_signals())));
$runtime->run();
?>
--EXPECT--
a: {"registered":[true,true,true],"found":[true,true,true,"strlen",0],"async":true,"again":0,"wrong":["TypeError","ValueError","KQueue\\Exception\\Unsupported","KQueue\\Exception\\Unsupported"],"kept":true}
b: {"registered":[true,true,true],"found":[true,true,true,"strlen",0],"async":true,"again":0,"wrong":["TypeError","ValueError","KQueue\\Exception\\Unsupported","KQueue\\Exception\\Unsupported"],"kept":true}
called: []
bool(true)
int(0)
bool(false)
called: ["process"]
next: true false
