--TEST--
onStarted, onFinished and onFailed: their arguments, their order, several of each
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$runtime
    ->onStarted(function (int $id, mixed $job) { echo "$id started: ", get_debug_type($job), "\n"; })
    ->onStarted(function () { usleep(1000); echo "   (another)\n"; })
    ->onFinished(function (int $id, mixed $result, float $seconds) { echo "$id finished: ", json_encode($result), $seconds < 20 ? '' : ' slowly', "\n"; })
    ->onFailed(function (int $id, Throwable $error, float $seconds) { echo "$id failed: ", get_class($error), ' ', $error->getMessage(), "\n"; });

class Job { public function handle() { throw new DomainException('wrong'); } }
$runtime->dispatch(fn () => [1, 'two' => null]);
$runtime->dispatch(new Job);
$runtime->dispatch(function () { (fn (int $number) => 1)('x'); });
$runtime->dispatch(function () { try { throw new Exception('kept inside'); } finally { return 'from finally'; } });
$runtime->run();
echo json_encode(array_intersect_key($runtime->stats(), ['finished' => 0, 'failed' => 0])), "\n";

// Without onFailed a failed job is a warning.
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () { throw new RuntimeException('nobody listens'); });
$runtime->run();
echo "goes on\n";

// A job that is not in the way of others.
$order = [];
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->onFailed(function ($id) use (&$order) { $order[] = "$id failed"; });
$runtime->onFinished(function ($id) use (&$order) { $order[] = "$id finished"; });
$runtime->dispatch(function () { usleep(50000); throw new Exception; });
$runtime->dispatch(function () { usleep(100000); });
$runtime->run();
echo implode(', ', $order), "\n";
?>
--EXPECTF--
1 started: Closure
   (another)
1 finished: {"0":1,"two":null}
2 started: Job
   (another)
2 failed: DomainException wrong
3 started: Closure
   (another)
3 failed: TypeError {closure%S}(): Argument #1 ($number) must be of type int, string given%S
4 started: Closure
   (another)
4 finished: "from finally"
{"finished":2,"failed":2}

Warning: KQueue: job 1 failed: RuntimeException: nobody listens in %s
goes on
1 failed, 2 finished
