--TEST--
Timeouts under opcache with the tracing JIT
--EXTENSIONS--
opcache
kqueue
--INI--
opcache.enable_cli=1
opcache.jit=tracing
opcache.jit_buffer_size=32M
--SKIPIF--
<?php
if (ini_get('opcache.jit') === false) {
    die('skip no JIT here');
}
?>
--FILE--
<?php
require __DIR__.'/../lib/timeout.inc';
echo opcache_get_status(false)['jit']['on'] ? "JIT\n" : "no JIT\n";
timeouts();
?>
--EXPECT--
JIT
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
