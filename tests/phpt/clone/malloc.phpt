--TEST--
Cloning and freeing lanes over the system's malloc, which notices wrong frees
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=0
MALLOC_CHECK_=3
MALLOC_PERTURB_=165
--FILE--
<?php
require __DIR__.'/../lib/cycles.inc';
cycles(2000);
?>
--EXPECT--
0 wrong, memory flat
