--TEST--
Children are reused, are at most as many as allowed, and run jobs in order of priority
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';
$pids = [];
$runtime = new KQueue\Runtime(concurrency: 10, isolated: 1);
$runtime->onFinished(function ($id, $result) use (&$pids) { $pids[] = $result; });
for ($i = 0; $i < 5; $i++) {
    $runtime->dispatch(new Task('pid'), isolated: true);
}
$runtime->run();
$runtime->dispatch(new Task('pid'), isolated: true);
$runtime->run();
echo count($pids), ' jobs, ', count(array_unique($pids)), ' child, ', in_array(getmypid(), $pids) ? 'not isolated' : 'not this process', "\n";
echo 'children: ', $runtime->stats()['children'], "\n";

// What one job leaves in the child's statics the next one finds: children are workers, not sandboxes.
isolated($runtime, ['first' => new Task('statics'), 'second' => new Task('statics')]);

// Two at once, not three.
$runtime = new KQueue\Runtime(isolated: 2);
$most = 0;
$runtime->every(0.005, function () use ($runtime, &$most) { $most = max($most, $runtime->stats()['children']); });
$began = microtime(true);
isolated($runtime, array_fill(0, 4, new Task('sleep', 0.2)));
echo "at most $most children\n";

// Higher priorities get the child first.
$runtime = new KQueue\Runtime(isolated: 1);
$order = [];
$runtime->onFinished(function ($id, $result) use (&$order) { $order[] = $result; });
foreach (['first' => 0, 'low' => -1, 'high' => 5, 'middle' => 1] as $name => $priority) {
    $runtime->dispatch(new Task('give', $name), isolated: true, priority: $priority);
}
$runtime->run();
echo implode(' ', $order), "\n";

// isolated: null and false are inline.
$runtime->dispatch(new Task('pid'));
$runtime->dispatch(new Task('pid'), isolated: false);
$order = [];
$runtime->run();
var_dump($order === [getmypid(), getmypid()]);
?>
--EXPECT--
6 jobs, 1 child, not this process
children: 1
first: 1
second: 2
0: "slept"
1: "slept"
2: "slept"
3: "slept"
at most 2 children
high middle first low
bool(true)
