--TEST--
An isolated job's result, exception, output and big payloads
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';
$runtime = new KQueue\Runtime(isolated: 2);
isolated($runtime, [
    'null' => new Task('give'),
    'array' => new Task('give', [1, 'two' => 2.5, 'nested' => [true, null]]),
    'object' => new Task('give', new ArrayObject(['a' => 1])),
    'binary' => new Task('length', random_bytes(1000)),
    '5 MB there' => new Task('length', str_repeat('x', 5 << 20)),
]);
isolated($runtime, ['printed' => new Task('print', "from the child\n")]);

$same = $back = null;
$runtime->onFinished(function ($id, $result) use (&$back) { $back = $result; });
$runtime->dispatch(new Task('repeat', 5 << 20), isolated: true);
$runtime->run();
echo '5 MB back: ', strlen($back), ' ', strspn($back, 'y'), "\n";
$runtime->dispatch(new Task('give', new Task('give', 'inner')), isolated: true);
$runtime->run();
var_dump($back);

// An exception: what the child says of it, in a class of ours.
$error = null;
$runtime->onFailed(function ($id, $failed) use (&$error) { $error = $failed; });
foreach (['fail', 'deepFail'] as $method) {
    $runtime->dispatch(new Task($method), isolated: true);
    $runtime->run();
    echo get_class($error), ' "', $error->getMessage(), '" class ', $error->class, ' in ', basename($error->getFile()), ' line ',
        $error->getLine() === (new ReflectionMethod('Task', $method))->getStartLine() ? 'right' : $error->getLine(), "\n";
    echo '  ', preg_match('/^#0 .*jobs.inc\(\d+\): Task->'.($method === 'fail' ? 'fail' : 'deepFail').'\(\)/', $error->remoteTrace) ? 'with its trace' : $error->remoteTrace, "\n";
}

isolated($runtime, [
    'unserializable result' => new Task('unserializable'),
    'and the next' => new Task('give', 'fine'),
]);
?>
--EXPECTF--
null: null
array: {"0":1,"two":2.5,"nested":[true,null]}
object: {"a":1}
binary: 1000
5 MB there: 5242880
from the child
printed: "printed"
5 MB back: 5242880 5242880
object(Task)#%d (2) {
  ["do"]=>
  string(4) "give"
  ["data"]=>
  string(5) "inner"
}
KQueue\Exception\RemoteException "DomainException: wrong in the child" class DomainException in jobs.inc line right
  with its trace
KQueue\Exception\RemoteException "OwnException: outer" class OwnException in jobs.inc line right
  with its trace
unserializable result: KQueue\Exception\RemoteException: Exception: Serialization of 'Closure' is not allowed
and the next: "fine"
