--TEST--
Jobs dispatch jobs, run() runs again, and run() inside a job is refused
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(concurrency: 3, isolated: 0);
$finished = 0;
$runtime->onFinished(function ($id, $result) use (&$finished) { $finished++; });

// A tree of jobs: each dispatches two, with and without waits.
$grow = function (int $depth) use (&$grow, $runtime) {
    if ($depth > 0) {
        usleep($depth * 100);
        $runtime->dispatch(fn () => $grow($depth - 1));
        $runtime->dispatch(fn () => $grow($depth - 1));
    }
};
$runtime->dispatch(fn () => $grow(6));
$runtime->run();
echo "$finished jobs\n";

// Nothing to do: returns at once. Then again with work.
$runtime->run();
$runtime->dispatch(function () { echo "second run\n"; });
$runtime->run();
$runtime->run();

// Not inside a job, neither of the same runtime nor of another.
$other = new KQueue\Runtime(isolated: 0);
$other->dispatch(function () { echo "in the other\n"; });
foreach ([$runtime, $other] as $refused) {
    $runtime->dispatch(function () use ($refused) {
        usleep(1000);
        try {
            $refused->run();
        } catch (KQueue\Exception\InvalidArgument $error) {
            echo $error->getMessage(), "\n";
        }
    });
}
$runtime->run();
$other->run();

// A runtime may be made and destroyed in a job.
$runtime->dispatch(function () {
    $inner = new KQueue\Runtime(isolated: 0);
    $inner->dispatch(fn () => 1);
    echo 'inner: ', $inner->stats()['waiting'], "\n";
});
$runtime->run();
echo json_encode(array_intersect_key($runtime->stats(), array_flip(['running', 'waiting', 'delayed', 'finished', 'failed']))), "\n";
?>
--EXPECT--
127 jobs
second run
run() is running already; a job must not call it
run() is running already; a job must not call it
in the other
inner: 1
{"running":0,"waiting":0,"delayed":0,"finished":131,"failed":0}
