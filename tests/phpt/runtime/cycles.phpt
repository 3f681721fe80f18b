--TEST--
A runtime whose jobs, timers and callbacks use it is freed by PHP's collector, and not before
--EXTENSIONS--
kqueue
--FILE--
<?php
class Job
{
    public function __construct(public KQueue\Runtime $runtime) {}
    public function handle() { $this->runtime->stats(); }
    public function __destruct() { echo "a job goes\n"; }
}
function cycle(string $how): WeakReference
{
    $runtime = new KQueue\Runtime(isolated: 0);
    match ($how) {
        'callbacks' => $runtime->onStarted(fn () => $runtime->stats())->onFinished(fn () => $runtime->stats())->onFailed(fn () => $runtime->stats()),
        'timers' => [$runtime->after(100, fn () => $runtime->stats()), $runtime->every(100, fn () => $runtime->stats())],
        'a job that waits' => $runtime->dispatch(new Job($runtime)),
        'a job that has run' => [$runtime->onFinished(fn () => $runtime->stats()), $runtime->dispatch(new Job($runtime)), $runtime->run()],
    };

    return WeakReference::create($runtime);
}
foreach (['callbacks', 'timers', 'a job that waits', 'a job that has run'] as $how) {
    $runtime = cycle($how);
    echo "$how: ", $runtime->get() ? 'there, ' : 'gone too early, ';
    gc_collect_cycles();
    echo $runtime->get() ? 'still there' : 'gone', "\n";
}

// With it goes the process that makes its children.
$children = fn () => count(array_filter(glob('/proc/[0-9]*/stat'), fn ($file) => preg_match('/\) \S '.getmypid().' /', (string) @file_get_contents($file))));
$runtime = new KQueue\Runtime(isolated: 1);
$runtime->onFinished(fn () => $runtime->stats());
echo 'processes: ', $children() === 0 ? 'none' : 'one', ', ';
unset($runtime);
gc_collect_cycles();
for ($end = microtime(true) + 20; $children() !== 0 && microtime(true) < $end;) {
    usleep(10000);
}
echo $children() === 0 ? 'none' : 'one', "\n";

// The collector runs in jobs and callbacks, and what is used stays.
$runtime = new KQueue\Runtime(isolated: 0, concurrency: 2);
$seen = [];
$collect = function ($id) use ($runtime, &$seen) { gc_collect_cycles(); $seen[] = $runtime->stats()['running']; };
$runtime->onStarted($collect)->onFinished($collect);
$runtime->after(0.001, fn () => $collect(0));
for ($i = 0; $i < 4; $i++) {
    $runtime->dispatch(function () use ($runtime, $collect) { $collect(0); usleep(100); $collect($runtime); });
}
unset($collect);
gc_collect_cycles();
$runtime->run();
echo count($seen), " calls\n";
?>
--EXPECT--
callbacks: there, gone
timers: there, gone
a job that waits: there, a job goes
gone
a job goes
a job that has run: there, gone
processes: one, none
17 calls
