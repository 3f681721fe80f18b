--TEST--
The parent's destructors, shutdown functions and output buffers do not act in children; nothing is left behind
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';

class Noisy { public function __destruct() { echo 'destructor in ', getmypid() === $GLOBALS['parent'] ? 'the parent' : 'A CHILD', "\n"; } }
$parent = getmypid();
$noisy = new Noisy;
register_shutdown_function(function () { echo 'shutdown in ', getmypid() === $GLOBALS['parent'] ? 'the parent' : 'A CHILD', "\n"; });
ob_start();
echo "buffered once\n";
$runtime = new KQueue\Runtime(isolated: 1);
isolated($runtime, [
    'ends by itself' => new Task('give', 1),
    'exits' => new Task('leave', 1),
    'registers' => new Task('shutdown'),
    'exits, after' => new Task('leave', 2),
]);

/** All processes below this one, by name. */
function descendants(int $pid): array
{
    $found = [];
    foreach (glob('/proc/[0-9]*/stat') as $file) {
        if (preg_match('/^(\d+) \((.*)\) (\w) (\d+)/s', (string) @file_get_contents($file), $match) && (int) $match[4] === $pid) {
            $found[] = "$match[2] $match[3]";
            $found = [...$found, ...descendants((int) $match[1])];
        }
    }
    return $found;
}
echo 'processes while the runtime lives: ', count(descendants($parent)) > 0 ? 'some' : 'none', "\n";
$runtime = null;
gc_collect_cycles();
ob_end_flush();
echo 'processes when it is gone: ', json_encode(descendants($parent)), "\n";
?>
--EXPECT--
leaving
the child's own shutdown function
leaving
buffered once
ends by itself: 1
exits: KQueue\Exception\JobExited: the job called exit() in its isolated child
registers: "registered"
exits, after: KQueue\Exception\JobExited: the job called exit() in its isolated child
processes while the runtime lives: some
processes when it is gone: []
shutdown in the parent
destructor in the parent
