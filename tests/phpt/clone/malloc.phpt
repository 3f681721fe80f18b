--TEST--
Cloning and freeing lanes over the system's malloc, which overwrites what was freed
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=0
MALLOC_PERTURB_=165
--FILE--
<?php
require __DIR__.'/../lib/cycles.inc';
// Memory is not counted then: only that nothing is read or freed wrongly.
cycles(2000);
?>
--EXPECT--
0 wrong, memory flat
