--TEST--
flock(): a job that waits for a lock which another holds does not stop the process
--EXTENSIONS--
kqueue
--FILE--
<?php
$file = tempnam(sys_get_temp_dir(), 'kqueue');
$order = [];
$runtime = new KQueue\Runtime(isolated: 0);
foreach (['A', 'B', 'C'] as $name) {
    $runtime->dispatch(function () use ($name, $file, &$order) {
        $handle = fopen($file, 'r+');
        $order[] = "$name wants";
        flock($handle, LOCK_EX);
        $value = (int) stream_get_contents($handle);
        $order[] = "$name has";
        usleep(50000);
        rewind($handle);
        fwrite($handle, (string) ($value + 1));
        $order[] = "$name done";
        flock($handle, LOCK_UN);
    });
}
$runtime->run();
echo implode(', ', array_slice($order, 0, 4)), "\n";
// Who comes after A is not said, but one at a time.
for ($i = 1; $i < count($order) - 1; $i++) {
    if (str_ends_with($order[$i], 'has')) {
        $held = $order[$i][0];
        for ($j = $i + 1; $order[$j] !== "$held done"; $j++) {
            assert(! str_ends_with($order[$j], 'has'));
        }
    }
}
echo 'counted: ', file_get_contents($file), "\n";

// Not waiting is not waiting.
$handle = fopen($file, 'r');
flock($handle, LOCK_EX);
$runtime->dispatch(function () use ($file) { $other = fopen($file, 'r'); var_dump(flock($other, LOCK_EX | LOCK_NB, $would)); var_dump($would); });
$runtime->run();
unlink($file);
?>
--EXPECT--
A wants, A has, B wants, C wants
counted: 3
bool(false)
int(1)
