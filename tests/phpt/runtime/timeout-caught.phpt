--TEST--
A timeout is not lost where exceptions are on their way to their catch, nor between the arguments of a call, again and again
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/timeout-caught.inc';
timeouts_caught();
?>
--EXPECT--
throws: all of 20
throws in a call of C code: all of 20
throws in a callback: all of 20
throws in a long call: all of 20
throws in a constructor: all of 20
a long call between arguments: all of 20
a long call between arguments of C code: all of 20
a destructor throws: all of 20
the shortest timeout: all of 20
