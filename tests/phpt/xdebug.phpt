--TEST--
Xdebug in a mode that crashes with lanes is refused with a message; in another it is not
--EXTENSIONS--
xdebug
kqueue
--ENV--
XDEBUG_MODE=
--INI--
xdebug.mode=debug
xdebug.start_with_request=no
--FILE--
<?php
$attempt = function () {
    try {
        $runtime = new KQueue\Runtime(isolated: 0);
        $runtime->dispatch(function () { usleep(1000); echo "runs\n"; });
        $runtime->run();
    } catch (KQueue\Exception\Unsupported $error) {
        echo $error->getMessage(), "\n";
    }
};
$attempt();
putenv('XDEBUG_MODE=coverage');
$attempt();
putenv('XDEBUG_MODE=off');
$attempt();
?>
--EXPECT--
Xdebug is loaded in mode "debug", which crashes with lanes. Start with XDEBUG_MODE=off, or without Xdebug.
Xdebug is loaded in mode "coverage", which crashes with lanes. Start with XDEBUG_MODE=off, or without Xdebug.
runs
