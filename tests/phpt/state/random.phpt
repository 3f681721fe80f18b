--TEST--
Under random schedules every lane sees what it sees alone; without an exchange some do not
--EXTENSIONS--
kqueue
mbstring
--SKIPIF--
<?php if (! require __DIR__.'/../lib/switches.inc') die('skip kqueue.so was built without test switches'); ?>
--FILE--
<?php
// 1,000 seeds, or KQUEUE_SEEDS of them, or the one that KQUEUE_SEED names: each fails alone, with what it takes to see it again.
require __DIR__.'/../lib/random_runs.inc';

$options = ['-d', 'opcache.enable_cli=1', '-d', 'opcache.jit_buffer_size=32M'];
$opcache = is_file(ini_get('extension_dir').'/opcache.so') ? ['-d', 'zend_extension=opcache.so', ...$options] : $options;
$half = (string) max(1, intdiv((int) (getenv('KQUEUE_SEEDS') ?: 1000), 2));
$runs = [
    'declared' => [[['1', $half, 'declared']], [['100001', $half, 'cloned']]],
    'with the JIT' => [[['200001', '50', 'declared'], [...$opcache, '-d', 'opcache.jit=function']], [['300001', '50', 'cloned'], [...$opcache, '-d', 'opcache.jit=tracing']]],
];
foreach ($runs as $two) {
    foreach (array_map(fn ($arguments) => start(...$arguments), $two) as $started) {
        $run = finish($started);
        echo $run['status'] === 0 && $run['signal'] === 0 ? "all see their own\n" : substr($run['output'], 0, 2000);
    }
}

show_what_each_exchange_is_for('1', '6', 'declared');
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
