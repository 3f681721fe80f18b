--TEST--
Fatal errors in callbacks, timers and isolated children
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

$programs = [
    'onFinished' => '$runtime->onFinished(function () { eval("class X {} class X {}"); }); $runtime->dispatch(fn () => 1);',
    'onStarted' => '$runtime->onStarted(function () { eval("class X {} class X {}"); }); $runtime->dispatch(function () { echo "the job runs\n"; });',
    'onFailed' => '$runtime->onFailed(function () { eval("class X {} class X {}"); }); $runtime->dispatch(fn () => throw new Exception);',
    'timer' => '$runtime->after(0.2, function () { eval("class X {} class X {}"); });',
    'output callback' => '$runtime->dispatch(function () { ob_start(function () { eval("class X {} class X {}"); }); echo "text"; });',
    'destructor of a result' => 'class D { public function __destruct() { eval("class X {} class X {}"); } } $runtime->dispatch(fn () => new D);',
];
foreach ($programs as $name => $program) {
    $result = run_php('$runtime = new KQueue\Runtime(isolated: 0); $runtime->dispatch(function () { usleep(500000); echo "the neighbour ends\n"; }); '.$program.' $runtime->run(); echo "after run\n";');
    echo "== $name: status $result[status], signal $result[signal]$result[output]\n";
}
?>
--EXPECTF--
== onFinished: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
the neighbour ends

Fatal error: Cannot %s in Command line code%s

== onStarted: status 255, signal 0
Fatal error: Cannot %s in Command line code%s

== onFailed: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
the neighbour ends

== timer: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
the neighbour ends

== output callback: status 255, signal 0the neighbour ends

== destructor of a result: status 255, signal 0
Fatal error: Cannot %s in Command line code%s
the neighbour ends
