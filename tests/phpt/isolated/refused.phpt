--TEST--
A job that cannot be serialized, or has no handle(), is refused as it is dispatched
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';
$runtime = new KQueue\Runtime(isolated: 1);
foreach ([new Unserializable, fn () => 1, 'strlen', new ArrayObject] as $job) {
    try {
        $runtime->dispatch($job, isolated: true);
        echo "accepted\n";
    } catch (KQueue\Exception\InvalidArgument $error) {
        echo $error->getMessage(), "\n";
    }
}
echo 'waiting: ', $runtime->stats()['waiting'], "\n";

// It is serialized then, too: later changes do not reach it.
$job = new Task('give', 'as dispatched');
$runtime->dispatch($job, isolated: true);
$job->data = 'changed';
$runtime->onFinished(function ($id, $result) { var_dump($result); });
$runtime->run();
?>
--EXPECT--
this job cannot run isolated, since it cannot be serialized: Exception: Serialization of 'Closure' is not allowed
only an object with a handle() method can run isolated; a closure always runs inline
only an object with a handle() method can run isolated; a closure always runs inline
only an object with a handle() method can run isolated; a closure always runs inline
waiting: 0
string(13) "as dispatched"
