--TEST--
Whatever a job does as its deadline passes, it is ended soon after
--EXTENSIONS--
kqueue
curl
pdo
pdo_sqlite
--FILE--
<?php
require __DIR__.'/../lib/deadlines.inc';
deadlines();
?>
--EXPECT--
all ways tried, neighbours unhurt
