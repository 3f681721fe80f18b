--TEST--
A fatal error in an inline job: the jobs in flight end, nothing new starts, the process ends with PHP's message and 255
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

$program = <<<'PHP'
$runtime = new KQueue\Runtime(concurrency: 3, isolated: ISOLATED);
$runtime->onFinished(function ($id) { echo "$id finished\n"; });
$runtime->onFailed(function ($id) { echo "$id failed\n"; });
register_shutdown_function(function () { echo "shutdown function\n"; });
class Witness { public function __destruct() { echo "destructor\n"; } }
$witness = new Witness;
$runtime->dispatch(function () { usleep(150000); $x = json_encode([1, 2]); echo "1 goes on: $x\n"; usleep(100000); $GLOBALS['first'] = true; });
$runtime->dispatch(function () { usleep(20000); FATAL; echo "never\n"; });
$runtime->dispatch(function () { try { do { usleep(20000); } while (! isset($GLOBALS['first'])); } finally { echo "3 ends\n"; } });
$runtime->dispatch(function () { echo "4 starts\n"; });
$runtime->run();
echo "after run\n";
PHP;
$fatals = [
    'redeclared class' => 'eval("class X {} class X {}")',
    'memory' => 'ini_set("memory_limit", memory_get_usage() + (8 << 20)); $x = []; while (true) { $x[] = str_repeat("x", 100000); }',
    'abstract instantiation by extending' => 'eval("final class F {} class G extends F {}")',
    'user error' => '@trigger_error("stop", E_USER_ERROR)',
    'parse error in a callback of a stack of calls' => 'array_map(function () { usleep(1000); eval("function strlen() {}"); }, [1])',
    'in a Fiber' => '$fiber = new Fiber(function () { usleep(1000); eval("class Y {} class Y {}"); }); $fiber->start()',
];
foreach ($fatals as $name => $fatal) {
    foreach ([0, 1] as $isolated) {
        $result = run_php(strtr($program, ['FATAL' => $fatal, 'ISOLATED' => $isolated]));
        echo "== $name, isolated $isolated: status $result[status], signal $result[signal]", preg_replace(['/\d+ bytes/', '/previously declared.*?\)(?= )/'], ['N bytes', '...)'], $result['output']), "\n";
    }
}
?>
--EXPECTF--
== redeclared class, isolated 0: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
1 goes on: [1,2]
1 finished
3 ends
3 finished

== redeclared class, isolated 1: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
1 goes on: [1,2]
1 finished
3 ends
3 finished

== memory, isolated 0: status 255, signal 0
Fatal error: Allowed memory size of N bytes exhausted%S (tried to allocate N bytes) in Command line code on line 8
1 goes on: [1,2]
1 finished
3 ends
3 finished

== memory, isolated 1: status 255, signal 0
Fatal error: Allowed memory size of N bytes exhausted%S (tried to allocate N bytes) in Command line code on line 8
1 goes on: [1,2]
1 finished
3 ends
3 finished

== abstract instantiation by extending, isolated 0: status 255, signal 0
Fatal error: Class G cannot extend final class F in Command line code(8) : eval()'d code on line 1
1 goes on: [1,2]
1 finished
3 ends
3 finished

== abstract instantiation by extending, isolated 1: status 255, signal 0
Fatal error: Class G cannot extend final class F in Command line code(8) : eval()'d code on line 1
1 goes on: [1,2]
1 finished
3 ends
3 finished

== user error, isolated 0: status 255, signal 0
Fatal error: stop in Command line code on line 8
1 goes on: [1,2]
1 finished
3 ends
3 finished

== user error, isolated 1: status 255, signal 0
Fatal error: stop in Command line code on line 8
1 goes on: [1,2]
1 finished
3 ends
3 finished

== parse error in a callback of a stack of calls, isolated 0: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
1 goes on: [1,2]
1 finished
3 ends
3 finished

== parse error in a callback of a stack of calls, isolated 1: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
1 goes on: [1,2]
1 finished
3 ends
3 finished

== in a Fiber, isolated 0: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
1 goes on: [1,2]
1 finished
3 ends
3 finished

== in a Fiber, isolated 1: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
1 goes on: [1,2]
1 finished
3 ends
3 finished
