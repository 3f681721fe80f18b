--TEST--
Shutdown functions that a job registers run at its lane's end, in the lane, with its variables; those of the template are every lane's
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class App { public static $name = 'declared'; public static $log; }
register_shutdown_function(function () { echo "the program's own\n"; });
$say = function (string $what) { fwrite(STDOUT, "$what, ".App::$name.', '.json_encode($GLOBALS['who'] ?? null)."\n"); };

// In the plain runtime: at the job's end.
$runtime = new KQueue\Runtime(concurrency: 2, isolated: 0);
$runtime->onFailed(function ($id, $error) { echo get_class($error), "\n"; });
$runtime->onFinished(function ($id, $result) { echo "finished: $result\n"; });
$runtime->dispatch(function () {
    register_shutdown_function(function (...$arguments) { usleep(3000); echo 'one: ', implode(' ', $arguments), "\n"; }, 'a', 2);
    register_shutdown_function('printf', "%s\n", 'two');
    register_shutdown_function(function () { register_shutdown_function(function () { echo "registered by a shutdown function\n"; }); });
    echo "job ends\n";
    return 'first';
});
$runtime->dispatch(function () { usleep(1000); echo "meanwhile another\n"; return 'second'; });
$runtime->run();
foreach ([fn () => exit, fn () => throw new DomainException('from a shutdown function')] as $end) {
    $runtime->dispatch(function () use ($end) { register_shutdown_function(function () { echo "before\n"; }); register_shutdown_function($end); register_shutdown_function(function () { echo "NEVER\n"; }); return 'third'; });
    $runtime->run();
}
$runtime->dispatch(function () { register_shutdown_function(function () { echo "after an exit\n"; }); exit; });
$runtime->dispatch(function () { register_shutdown_function(function () { echo "after an exception\n"; }); throw new LengthException; });
$runtime->run();

// In lanes of the package: at the lane's end.
$job = function (string $who) use ($say) {
    return function () use ($who, $say) {
        App::$name = $GLOBALS['who'] = $who;
        register_shutdown_function(function () use ($say, $who) { usleep(1000); $say("end of $who"); });
        usleep(500);
        return 'job done';
    };
};
lanes(['A' => $job('A'), 'B' => $job('B')], cloned: false, fresh: true);
lanes(['C' => $job('C'), 'D' => $job('D')], cloned: false, concurrency: 1);

template(function () use ($say) {
    App::$log = (object) ['lines' => ['boot']];
    $log = App::$log;
    App::$name = 'template';
    register_shutdown_function(function (stdClass $same) use ($log, $say) { count($log->lines) > 1 && $say('of the template: '.implode(' ', $log->lines).' '.json_encode([$log === $same, $log === App::$log])); }, $log);
});
lanes(['E' => function () { App::$log->lines[] = 'E'; App::$name = 'E'; usleep(1000); return 1; }, 'F' => function () { App::$log->lines[] = 'F'; App::$name = 'F'; return 1; }], cloned: true, fresh: true);
echo "end of the program\n";
$code = '$r = new KQueue\Runtime(isolated: 0); $r->onFailed(fn () => 1); $r->dispatch(function () { register_shutdown_function(fn () => throw new Exception); }); $r->dispatch(function () { exit(3); }); $r->run();';
require __DIR__.'/../lib/php.inc';
echo 'status ', run_php($code, [], ['-d', 'display_errors=0'])['status'], "\n";
?>
--EXPECTF--
job ends
meanwhile another
finished: second
one: a 2
two
registered by a shutdown function
finished: first
before
finished: third
before

Fatal error: Uncaught DomainException: from a shutdown function in %s:21
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line 21
finished: third
after an exit
KQueue\Exception\JobExited
after an exception
LengthException
end of A, A, "A"
end of B, B, "B"
A: job done
B: job done
end of C, D, "D"
end of D, D, "D"
C: job done
D: job done
refused: [], destructors: []
of the template: boot F [true,true], F, null
of the template: boot E [true,true], E, null
E: 1
F: 1
end of the program
status 0
the program's own
