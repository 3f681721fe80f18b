--TEST--
Interleaved jobs have their own output buffers, error and exception handlers, error_reporting() and @
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
$pause = fn (float $seconds) => usleep((int) ($seconds * 1e6));

overlap('ob_start', function ($seconds, $which) use ($pause) {
    ob_start();
    echo "$which 1 ";
    $pause($seconds / 2);
    ob_start();
    echo "$which 2 ";
    $pause($seconds / 2);
    $inner = ob_get_clean();
    return [ob_get_level(), ob_get_clean().$inner, ob_get_level()];
});

set_error_handler(function ($code, $message) { echo "the program's handler: $message\n"; return true; });
overlap('set_error_handler', function ($seconds, $which) use ($pause) {
    $seen = [];
    $previous = set_error_handler(function ($code, $message) use (&$seen) { $seen[] = $message; return true; });
    trigger_error("$which 1");
    $pause($seconds / 2);
    set_error_handler(null);
    set_error_handler(function ($code, $message) use (&$seen, $pause) { $pause(0.01); $seen[] = "second: $message"; return true; });
    $pause($seconds / 2);
    trigger_error("$which 2");
    restore_error_handler();
    restore_error_handler();
    trigger_error("$which 3");
    restore_error_handler();
    return [$seen, $previous !== null];
});
overlap('the base handler', function ($seconds, $which) use ($pause) { $pause($seconds); trigger_error("in $which"); });

overlap('set_exception_handler', function ($seconds, $which) use ($pause) {
    $first = set_exception_handler($mine = fn () => $which);
    $pause($seconds);
    $second = set_exception_handler(null);
    return [$first === null, $second === $mine];
});

overlap('error_reporting', function ($seconds, $which) use ($pause) {
    $before = error_reporting();
    if ($which === 'slow') {
        error_reporting(E_ERROR);
    }
    $pause($seconds);
    return [$before === E_ALL, error_reporting() === ($which === 'slow' ? E_ERROR : E_ALL)];
});
echo 'afterwards: ', error_reporting() === E_ALL ? 'as before' : error_reporting(), "\n";

overlap('@', function ($seconds, $which) use ($pause) {
    $wait = function () use ($seconds, $pause) { $pause($seconds); return error_reporting() === E_ALL; };
    return $which === 'slow' ? @$wait() : $wait();
});

// Conversions of errors to exceptions are state of the running code: PDO and SplFileObject switch it while they open.
overlap('errors that throw', function ($seconds, $which) use ($pause) {
    if ($which === 'slow') {
        $pause($seconds);
        return @file_get_contents('/no/such/file') === false;
    }
    try {
        new SplFileObject('/no/such/file');
    } catch (RuntimeException) {
        $pause($seconds);
        return @file_get_contents('/no/such/file') === false;
    }
});

// What a job leaves behind is not there for the program, nor for a lane that starts later.
$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$runtime->dispatch(function () { ob_start(); echo "left in a buffer\n"; set_error_handler(fn () => true); set_exception_handler(fn () => true); error_reporting(0); });
$runtime->run();
trigger_error('after the run');
echo ob_get_level(), ' ', error_reporting() === E_ALL ? 'E_ALL' : error_reporting(), "\n";
$runtime->dispatch(function () { trigger_error('next run'); echo ob_get_level(), ' ', error_reporting() === E_ALL ? 'E_ALL' : error_reporting(), "\n"; });
$runtime->run();
?>
--EXPECT--
ob_start: overlap, {"fast":[1,"fast 1 fast 2 ",0],"slow":[1,"slow 1 slow 2 ",0]}
set_error_handler: overlap, {"fast":[["fast 1","second: fast 2","fast 3"],true],"slow":[["slow 1","second: slow 2","slow 3"],true]}
the program's handler: in fast
the program's handler: in slow
the base handler: overlap, {"fast":null,"slow":null}
set_exception_handler: overlap, {"fast":[true,true],"slow":[true,true]}
error_reporting: overlap, {"fast":[true,true],"slow":[true,true]}
afterwards: as before
@: overlap, {"fast":true,"slow":false}
the program's handler: file_get_contents(/no/such/file): Failed to open stream: No such file or directory
the program's handler: file_get_contents(/no/such/file): Failed to open stream: No such file or directory
errors that throw: overlap, {"fast":true,"slow":true}
left in a buffer
the program's handler: after the run
0 E_ALL
the program's handler: next run
0 E_ALL
