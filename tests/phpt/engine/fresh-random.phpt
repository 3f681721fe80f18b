--TEST--
Whatever a lane has become, fresh() sees what a new lane sees; without an exchange it does not
--EXTENSIONS--
kqueue
mbstring
--FILE--
<?php
// The steps of state/random.phpt, one list after the other in one lane. KQUEUE_SEED and KQUEUE_SEEDS are as there.
require __DIR__.'/../lib/php.inc';

function outcome(string $mode, string $count, array $environment = []): string
{
    $command = php_with_kqueue(['mbstring', 'posix', 'sockets', 'dom', 'intl', 'mysqlnd', 'mysqli', 'gettext'], __DIR__.'/../lib/random_state.inc', '1', $count, $mode, 'fresh');
    $file = tmpfile();
    $process = proc_open($command, [['file', '/dev/null', 'r'], $file, $file], $pipes, null, [...getenv(), ...$environment]);
    do {
        usleep(2000);
        $status = proc_get_status($process);
    } while ($status['running']);
    rewind($file);
    $output = substr(stream_get_contents($file), 0, 2000);

    return match (true) {
        $status['exitcode'] === 0 && ! $status['signaled'] => 'all see what a new lane sees',
        // Some do not even survive it.
        $environment !== [] => 'it shows',
        default => $output,
    };
}

$count = (string) max(1, intdiv((int) (getenv('KQUEUE_SEEDS') ?: 1000), 20));
foreach (['declared', 'cloned'] as $mode) {
    echo "$mode: ", outcome($mode, $count), "\n";
}
foreach (['statics', 'functions', 'symbols', 'globals', 'modules', 'settings'] as $what) {
    echo "without $what: ", outcome('declared', '6', ['KQUEUE_TEST_WITHOUT' => $what, 'KQUEUE_SEED' => '']), "\n";
}
?>
--EXPECT--
declared: all see what a new lane sees
cloned: all see what a new lane sees
without statics: it shows
without functions: it shows
without symbols: it shows
without globals: it shows
without modules: it shows
without settings: it shows
