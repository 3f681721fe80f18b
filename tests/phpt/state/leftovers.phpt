--TEST--
What one job leaves in its lane's buffers and handlers the next job in that lane does not meet
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$look = function () {
    $handler = set_error_handler(null);
    restore_error_handler();
    $exceptions = set_exception_handler(null);
    restore_exception_handler();
    echo json_encode([ob_get_level(), $handler === null, $exceptions === null, error_reporting() === E_ALL]), "\n";
};
$runtime->dispatch($look);
$runtime->dispatch(function () { ob_start(); ob_start(fn ($text) => "<$text>"); echo "left in a buffer\n"; });
$runtime->dispatch($look);
$runtime->dispatch(function () { set_error_handler(fn () => true); set_exception_handler(fn () => true); error_reporting(0); });
$runtime->dispatch($look);
$runtime->dispatch(function () { ob_start(); echo "left by an exit\n"; exit; });
$runtime->dispatch($look);
$runtime->onFailed(fn () => null);
$runtime->run();
?>
--EXPECT--
[0,true,true,true]
<left in a buffer
>[0,true,true,true]
[0,true,true,true]
left by an exit
[0,true,true,true]
