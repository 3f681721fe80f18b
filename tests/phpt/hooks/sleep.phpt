--TEST--
sleep(), usleep(), time_nanosleep() and time_sleep_until() suspend the lane only
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
overlap('usleep', fn ($seconds) => usleep((int) ($seconds * 1e6)));
overlap('sleep', fn ($seconds) => sleep((int) $seconds), 2, 1);
overlap('time_nanosleep', fn ($seconds) => time_nanosleep(0, (int) ($seconds * 1e9)));
overlap('time_sleep_until', fn ($seconds) => time_sleep_until(microtime(true) + $seconds));

// The times are kept: nobody wakes early.
overlap('not early', function ($seconds) { $before = hrtime(true); usleep((int) ($seconds * 1e6)); return hrtime(true) - $before >= $seconds * 1e9; });

// Many at once take hardly longer than one.
$runtime = new KQueue\Runtime(concurrency: 500, isolated: 0);
for ($i = 0; $i < 500; $i++) {
    $runtime->dispatch(fn () => usleep(200000));
}
$began = microtime(true);
$runtime->run();
echo '500 of 0.2 s: ', microtime(true) - $began < 20 ? 'at once' : 'one by one', ', ', $runtime->stats()['suspensions'] >= 500 ? 'all suspended' : 'not suspended', "\n";
?>
--EXPECT--
usleep: overlap, {"fast":null,"slow":null}
sleep: overlap, {"fast":0,"slow":0}
time_nanosleep: overlap, {"fast":true,"slow":true}
time_sleep_until: overlap, {"fast":true,"slow":true}
not early: overlap, {"fast":true,"slow":true}
500 of 0.2 s: at once, all suspended
