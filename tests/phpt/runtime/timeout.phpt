--TEST--
A job that overruns its timeout is ended with JobTimedOut, whether it waits or computes; its neighbours notice nothing
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/timeout.inc';
timeouts();
?>
--EXPECT--
sleeping: JobTimedOut, finally ran
reading a pipe: JobTimedOut
computing: JobTimedOut, finally ran
in a nested fiber: JobTimedOut
in an array_map callback: JobTimedOut
in a destructor: JobTimedOut
swallowing it: JobTimedOut after at least 2 tries
caught and returned: JobTimedOut
soon enough: done
no timeout: done
waits in its catch block: JobTimedOut
neighbours: 20
