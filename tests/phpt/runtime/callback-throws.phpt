--TEST--
An exception in a callback or a timer lets running jobs end, and comes out of run(); the runtime can go on
--EXTENSIONS--
kqueue
--FILE--
<?php
function attempt(KQueue\Runtime $runtime): void
{
    try {
        $runtime->run();
        echo "nothing thrown\n";
    } catch (Exception $error) {
        echo 'run() threw ', get_class($error), ': ', $error->getMessage(), "\n";
    }
}

$runtime = new KQueue\Runtime(concurrency: 2, isolated: 0);
$throw = true;
$runtime->onFinished(function ($id) use (&$throw) {
    echo "$id finished\n";
    if ($throw) {
        $throw = false;
        throw new LogicException('in a callback');
    }
});
$runtime->dispatch(fn () => usleep(10000));
$runtime->dispatch(fn () => usleep(100000));
$runtime->dispatch(fn () => usleep(1000));
attempt($runtime);
echo "what was left runs later:\n";
attempt($runtime);

// onStarted: the job runs all the same, or it would be lost.
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->onStarted(fn () => throw new LogicException('not started'));
$runtime->dispatch(function () { echo "runs\n"; });
attempt($runtime);

$runtime = new KQueue\Runtime(isolated: 0);
$runtime->onFailed(fn ($id, $error) => throw new LogicException('escaped', 0, $error));
$runtime->dispatch(fn () => throw new Exception('job'));
attempt($runtime);

$runtime = new KQueue\Runtime(isolated: 0);
$runtime->after(0.01, fn () => throw new LogicException('in a timer'));
attempt($runtime);
attempt($runtime);

// An exception that nobody catches ends the program as anywhere.
$runtime->after(0.01, fn () => throw new LogicException('at the end'));
$runtime->run();
?>
--EXPECTF--
1 finished
2 finished
run() threw LogicException: in a callback
what was left runs later:
3 finished
nothing thrown
runs
run() threw LogicException: not started
run() threw LogicException: escaped
run() threw LogicException: in a timer
nothing thrown

Fatal error: Uncaught LogicException: at the end in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()%A
