--TEST--
Under random schedules every lane sees what it sees alone; without an exchange some do not
--EXTENSIONS--
kqueue
mbstring
--FILE--
<?php
// 1,000 seeds, or KQUEUE_SEEDS of them, or the one that KQUEUE_SEED names: each fails alone, with what it takes to see it again.
require __DIR__.'/../lib/php.inc';

$options = ['-d', 'opcache.enable_cli=1', '-d', 'opcache.jit_buffer_size=32M'];
$opcache = is_file(ini_get('extension_dir').'/opcache.so') ? ['-d', 'zend_extension=opcache.so', ...$options] : $options;
/** @return resource */
function start(string $first, string $count, string $mode, array $options = [], array $environment = [])
{
    $command = php_with_kqueue(['mbstring', 'posix', 'sockets', 'dom', 'intl', 'mysqlnd', 'mysqli', 'gettext'], ...[...$options, __DIR__.'/../lib/random_state.inc', $first, $count, $mode]);
    $file = tmpfile();
    $process = proc_open($command, [['file', '/dev/null', 'r'], $file, $file], $pipes, null, [...getenv(), ...$environment]);

    return [$process, $file];
}
function finish(array $started): array
{
    [$process, $file] = $started;
    do {
        usleep(2000);
        $status = proc_get_status($process);
    } while ($status['running']);
    rewind($file);

    return [$status['exitcode'] === 0 && ! $status['signaled'], substr(stream_get_contents($file), 0, 2000)];
}

$half = (string) max(1, intdiv((int) (getenv('KQUEUE_SEEDS') ?: 1000), 2));
$runs = [
    'declared' => [['1', $half, 'declared'], ['100001', $half, 'cloned']],
    'with the JIT' => [['200001', '50', 'declared', [...$opcache, '-d', 'opcache.jit=function']], ['300001', '50', 'cloned', [...$opcache, '-d', 'opcache.jit=tracing']]],
];
foreach ($runs as $two) {
    foreach (array_map(fn ($arguments) => start(...$arguments), $two) as $started) {
        [$right, $output] = finish($started);
        echo $right ? "all see their own\n" : $output;
    }
}

foreach (['statics', 'functions', 'symbols', 'globals', 'modules', 'settings'] as $what) {
    // Some do not even survive it, which is not to be reported (tools/checked-php).
    [$right] = finish(start('1', '6', 'declared', [], ['KQUEUE_TEST_WITHOUT' => $what, 'KQUEUE_SEED' => '', 'KQUEUE_REPORTS' => '']));
    echo "without $what: ", $right ? 'NOBODY NOTICES' : 'it shows', "\n";
}
?>
--EXPECT--
all see their own
all see their own
all see their own
all see their own
without statics: it shows
without functions: it shows
without symbols: it shows
without globals: it shows
without modules: it shows
without settings: it shows
