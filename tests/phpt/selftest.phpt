--TEST--
A process whose hooks do not reach its calls refuses to run, in one sentence that says what to do
--EXTENSIONS--
kqueue
--SKIPIF--
<?php if (! require __DIR__.'/lib/switches.inc') die('skip kqueue.so was built without test switches'); ?>
--ENV--
KQUEUE_TEST_WITHOUT_HOOKS=1
--FILE--
<?php
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () { echo "must not run\n"; });
try {
    $runtime->run();
} catch (KQueue\Exception\Unsupported $error) {
    echo $error->getMessage(), "\n";
}

// Once the hooks work, so does the runtime.
putenv('KQUEUE_TEST_WITHOUT_HOOKS');
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () { echo "runs\n"; });
$runtime->run();
?>
--EXPECT--
the self-test found that sleeping stops the whole process instead of its lane, so jobs would run one after another. Use queue:work with this PHP, and report it with the output of `php -v` and `ldd $(command -v php)`.
runs
