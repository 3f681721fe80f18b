--TEST--
Whatever a lane has become, fresh() sees what a new lane sees; without an exchange it does not
--EXTENSIONS--
kqueue
mbstring
--SKIPIF--
<?php if (! require __DIR__.'/../lib/switches.inc') die('skip kqueue.so was built without test switches'); ?>
--FILE--
<?php
// The steps of state/random.phpt, one list after the other in one lane. KQUEUE_SEED and KQUEUE_SEEDS are as there.
require __DIR__.'/../lib/random_runs.inc';

$count = (string) max(1, intdiv((int) (getenv('KQUEUE_SEEDS') ?: 1000), 20));
foreach (['declared', 'cloned'] as $mode) {
    $run = finish(start(['1', $count, $mode, 'fresh']));
    echo "$mode: ", $run['status'] === 0 && $run['signal'] === 0 ? 'all see what a new lane sees' : substr($run['output'], 0, 2000), "\n";
}
show_what_each_exchange_is_for('1', '6', 'declared', 'fresh');
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
