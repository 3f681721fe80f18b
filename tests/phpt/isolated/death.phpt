--TEST--
An isolated job that exits, crashes, is killed, runs out of memory or has a fatal error fails; inline jobs go on
--EXTENSIONS--
posix
pcntl
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';
$runtime = new KQueue\Runtime(isolated: 3, memoryLimit: 32);
$neighbours = 0;
for ($i = 0; $i < 30; $i++) {
    $runtime->dispatch(function () use (&$neighbours) { for ($j = 0; $j < 20; $j++) { usleep(10000); } $neighbours++; });
}
isolated($runtime, [
    'exit(3)' => new Task('leave', 3),
    'exit(0)' => new Task('leave', 0),
    'SIGSEGV' => new Task('crash', SIGSEGV),
    'SIGKILL' => new Task('crash', SIGKILL),
    'SIGABRT' => new Task('crash', SIGABRT),
    'the next' => new Task('give', 'fine'),
]);
echo "neighbours: $neighbours\n";
isolated($runtime, ['memory' => new Task('eat')]);
isolated($runtime, ['fatal' => new Task('fatal')]);
echo 'limit: '; isolated($runtime, ['memory_limit' => new Task('limit')]);
$stats = $runtime->stats();
echo "finished $stats[finished], failed $stats[failed], isolated $stats[isolated]\n";
?>
--EXPECTF--
leaving
leaving
exit(3): KQueue\Exception\JobExited: the job called exit() in its isolated child
exit(0): KQueue\Exception\JobExited: the job called exit() in its isolated child
SIGSEGV: KQueue\Exception\ChildDied: the job's isolated child was killed by signal 11 (SIGSEGV)
SIGKILL: KQueue\Exception\ChildDied: the job's isolated child was killed by signal 9 (SIGKILL)
SIGABRT: KQueue\Exception\ChildDied: the job's isolated child was killed by signal 6 (SIGABRT)
the next: "fine"
neighbours: 30

Fatal error: Allowed memory size of 33554432 bytes exhausted%S (tried to allocate %d bytes) in %sjobs.inc on line %d
memory: KQueue\Exception\ChildDied: the job's isolated child died: out of memory at 32 MB

Fatal error: Cannot %sclass Twice%sin %s
fatal: KQueue\Exception\ChildDied: the job's isolated child died: fatal error: Cannot %sclass Twice%s
limit: memory_limit: "32M"
finished 32, failed 7, isolated 0
