--TEST--
after(), every() and cancel()
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(isolated: 0);

// Once each, in the order of their times; run() waits for them.
$runtime->after(0.10, function () { echo "after 0.1\n"; });
$runtime->after(0.05, function () { echo "after 0.05\n"; });
$runtime->after(0, function () { echo "after 0\n"; });
$runtime->run();

// A timer that repeats runs beside jobs and does not keep run() going. It may wait, and is never called twice at once.
$ticks = $inside = $most = 0;
$timer = $runtime->every(0.01, function () use (&$ticks, &$inside, &$most) {
    $most = max($most, ++$inside);
    usleep(30000);
    $ticks++;
    $inside--;
});
$runtime->dispatch(fn () => usleep(400000));
$runtime->run();
echo 'repeated: ', $ticks >= 3 && $ticks <= 14 ? 'yes' : $ticks, ", at most $most at once\n";
var_dump($runtime->cancel($timer), $runtime->cancel($timer));

// It ends when it cancels itself.
$count = 0;
$self = $runtime->every(0.01, function () use (&$count, &$self, $runtime) {
    if (++$count === 3) {
        var_dump($runtime->cancel($self));
    }
});
$runtime->dispatch(fn () => usleep(200000));
$runtime->run();
echo "count: $count\n";

// A job is cancelled before it starts, not later.
$never = $runtime->dispatch(function () { echo "never\n"; }, delay: 0.05);
$timer = $runtime->after(0.05, function () { echo "never\n"; });
$job = $runtime->dispatch(function () use (&$job, $runtime) {
    echo 'while it runs: ', json_encode($runtime->cancel($job)), "\n";
});
var_dump($runtime->cancel($never), $runtime->cancel($timer), $runtime->cancel(999), $runtime->cancel(-1));
$runtime->run();
var_dump($runtime->cancel($job));

// Another job cancels one that waits.
$single = new KQueue\Runtime(concurrency: 1, isolated: 0);
$single->dispatch(function () use (&$second, $single) { usleep(1000); var_dump($single->cancel($second)); });
$second = $single->dispatch(function () { echo "never\n"; });
$single->run();
echo json_encode(array_intersect_key($single->stats(), ['waiting' => 0, 'finished' => 0])), "\n";
?>
--EXPECT--
after 0
after 0.05
after 0.1
repeated: yes, at most 1 at once
bool(true)
bool(false)
bool(true)
count: 3
bool(true)
bool(true)
bool(false)
bool(false)
while it runs: false
bool(false)
bool(true)
{"waiting":0,"finished":1}
