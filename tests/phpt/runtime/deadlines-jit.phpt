--TEST--
Whatever a job does as its deadline passes, it is ended soon after, also under the JIT
--EXTENSIONS--
opcache
kqueue
curl
pdo
pdo_sqlite
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
require __DIR__.'/../lib/deadlines.inc';
deadlines();
?>
--EXPECT--
all ways tried, neighbours unhurt
