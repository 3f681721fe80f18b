--TEST--
exit() in a job ends that job only
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->onFinished(function ($id) { echo "$id finished\n"; });
$runtime->onFailed(function ($id, $error) { echo "$id failed: ", get_class($error), ': ', $error->getMessage(), "\n"; });
$runtime->dispatch(function () { try { exit; } finally { echo "never: an exit runs no finally\n"; } });
$runtime->dispatch(function () { usleep(20000); echo 'still here, '; });
$runtime->dispatch(function () { usleep(10000); exit(3); });
$runtime->dispatch(function () { (function () { array_map(fn () => die('with a text '), [1, 2]); })(); });
$runtime->dispatch(function () { $fiber = new Fiber(function () { exit(4); }); $fiber->start(); });
$runtime->run();
echo "end\n";
register_shutdown_function(function () { echo "shutdown functions run once\n"; });
?>
--EXPECT--
1 failed: KQueue\Exception\JobExited: the job called exit(); return from it instead
with a text 4 failed: KQueue\Exception\JobExited: the job called exit(); return from it instead
5 failed: KQueue\Exception\JobExited: the job called exit(); return from it instead
3 failed: KQueue\Exception\JobExited: the job called exit(); return from it instead
still here, 2 finished
end
shutdown functions run once
