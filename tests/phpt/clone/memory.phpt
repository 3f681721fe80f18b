--TEST--
20,000 lanes cloned and freed leave memory flat
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/cycles.inc';
cycles(20000);
?>
--EXPECT--
0 wrong, memory flat
