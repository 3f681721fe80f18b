--TEST--
Processes and pipes: exec(), shell_exec(), system(), proc_open(), popen(), FIFOs
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
overlap('shell_exec', fn ($seconds, $which) => shell_exec("sleep $seconds; echo $which"), 0.6);
overlap('exec', function ($seconds, $which) { exec("sleep $seconds; echo $which; exit 3", $lines, $status); return [$lines, $status]; }, 0.6);
overlap('proc_close', function ($seconds) {
    return proc_close(proc_open("sleep $seconds; exit 4", [], $pipes));
}, 0.6);
overlap('proc_open, stream_get_contents', function ($seconds, $which) {
    $process = proc_open(['sh', '-c', "sleep $seconds; cat; echo $which >&2; exit 5"], [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
    fwrite($pipes[0], "to $which");
    fclose($pipes[0]);
    return [stream_get_contents($pipes[1]), stream_get_contents($pipes[2]), proc_close($process)];
}, 0.6);
overlap('popen', function ($seconds, $which) { $stream = popen("sleep $seconds; echo $which", 'r'); $line = fgets($stream); return [$line, pclose($stream)]; }, 0.6);

// A FIFO: the reader waits for what another job writes.
$fifo = sys_get_temp_dir().'/kqueue-'.getmypid();
exec("mkfifo $fifo.slow $fifo.fast");
$handles = ['slow' => fopen("$fifo.slow", 'r+'), 'fast' => fopen("$fifo.fast", 'r+')];
overlap('FIFO', function ($seconds, $which) use ($handles) {
    proc_close(proc_open("(sleep $seconds; echo $which >&3) &", [3 => $handles[$which]], $pipes));
    return fgets($handles[$which]);
}, 0.6);
unlink("$fifo.slow");
unlink("$fifo.fast");
?>
--EXPECT--
shell_exec: overlap, {"fast":"fast\n","slow":"slow\n"}
exec: overlap, {"fast":[["fast"],3],"slow":[["slow"],3]}
proc_close: overlap, {"fast":4,"slow":4}
proc_open, stream_get_contents: overlap, {"fast":["to fast","fast\n",5],"slow":["to slow","slow\n",5]}
popen: overlap, {"fast":["fast\n",0],"slow":["slow\n",0]}
FIFO: overlap, {"fast":"fast\n","slow":"slow\n"}
