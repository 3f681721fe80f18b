--TEST--
stop() from a job: running jobs end, waiting ones stay and run in the next run()
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(concurrency: 2, isolated: 0);
$runtime->stop();    // nothing runs: no effect
$runtime->dispatch(function () use ($runtime) { usleep(20000); $runtime->stop(); echo "stopped\n"; });
$runtime->dispatch(function () { usleep(150000); echo "the running one ends\n"; });
$runtime->dispatch(function () { echo "waited\n"; });
$runtime->dispatch(function () { echo "delayed\n"; }, delay: 0.05);
$runtime->after(0.05, function () { echo "timer\n"; });
$runtime->run();
echo json_encode(array_intersect_key($runtime->stats(), array_flip(['running', 'waiting', 'delayed', 'finished']))), "\n";
$runtime->run();
echo json_encode(array_intersect_key($runtime->stats(), array_flip(['running', 'waiting', 'delayed', 'finished']))), "\n";
?>
--EXPECT--
stopped
the running one ends
{"running":0,"waiting":3,"delayed":0,"finished":2}
timer
waited
delayed
{"running":0,"waiting":0,"delayed":0,"finished":4}
