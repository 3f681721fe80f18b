--TEST--
An isolated job is ended at its timeout, also one that computes or ignores SIGTERM
--EXTENSIONS--
pcntl
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';
$runtime = new KQueue\Runtime(isolated: 4, grace: 0.5);
$began = microtime(true);
isolated($runtime, [
    'sleeping' => new Task('sleep', 60),
    'computing' => new Task('loop'),
    'ignoring SIGTERM' => new Task('stubborn'),
    'soon enough' => new Task('sleep', 0.01),
], timeout: 0.4);
echo microtime(true) - $began < 20 ? "in time\n" : "late\n";

// A job that waits for a free child until its own time is up is another matter: its time begins with its child.
$runtime = new KQueue\Runtime(isolated: 1);
isolated($runtime, ['first' => new Task('sleep', 0.6), 'second' => new Task('sleep', 0.6)], timeout: 1.0);
?>
--EXPECT--
sleeping: KQueue\Exception\JobTimedOut: the job's isolated child was ended at its deadline after 0.4 s
computing: KQueue\Exception\JobTimedOut: the job's isolated child was ended at its deadline after 0.4 s
ignoring SIGTERM: KQueue\Exception\JobTimedOut: the job's isolated child was ended at its deadline after 0.4 s
soon enough: "slept"
in time
first: "slept"
second: "slept"
