--TEST--
Higher priorities start first, equals in order of dispatch; a delayed job starts when it is due; concurrency is a limit
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$say = fn (string $text) => function () use ($text) { echo "$text "; usleep(500); };
$runtime->dispatch($say('low'), priority: -5);
$runtime->dispatch($say('first'));
$runtime->dispatch($say('second'));
$runtime->dispatch($say('high'), priority: 7);
$runtime->dispatch($say('higher'), priority: 8);
$runtime->dispatch($say('late'), priority: 100, delay: 0.3);
$runtime->dispatch($say('soon'), delay: 0.1);
$runtime->run();
echo "\n";

// Among delayed ones that are due by the time a lane is free, priority counts.
$runtime->dispatch(function () { usleep(200000); echo 'blocker '; });
$runtime->dispatch($say('due, low'), delay: 0.01);
$runtime->dispatch($say('due, high'), priority: 1, delay: 0.02);
$runtime->run();
echo "\n";

// Not more than `concurrency` at once, and that many.
foreach ([1, 3, 20] as $concurrency) {
    $runtime = new KQueue\Runtime(concurrency: $concurrency, isolated: 0);
    $now = $most = 0;
    for ($i = 0; $i < 20; $i++) {
        $runtime->dispatch(function () use (&$now, &$most) {
            $most = max($most, ++$now);
            usleep(20000);
            $now--;
        });
    }
    $runtime->run();
    echo "$concurrency: $most at once\n";
}
?>
--EXPECT--
higher high first second low soon late 
blocker due, high due, low 
1: 1 at once
3: 3 at once
20: 20 at once
