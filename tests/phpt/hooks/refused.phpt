--TEST--
Where the system forbids to make protected pages writable, PHP's own functions suspend lanes, and a warning says what does not
--EXTENSIONS--
ffi
kqueue
--INI--
ffi.enable=1
--FILE--
<?php
set_error_handler(function ($level, $message) {
    echo preg_replace('/slots of \S+/', 'slots of OBJECT', $message), "\n";
    return true;
});

// A seccomp filter as of a careful container: mprotect() to read and write is answered by EACCES.
$libc = FFI::cdef('
    struct rule { unsigned short code; unsigned char yes, no; unsigned int k; };
    struct program { unsigned short length; struct rule *rules; };
    int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
', 'libc.so.6');
$mprotect = php_uname('m') === 'aarch64' ? 226 : 10;
[$load, $equal, $answer] = [0x20, 0x15, 0x06];
$rules = [
    [$load, 0, 0, 0], [$equal, 0, 3, $mprotect],    // the call's number
    [$load, 0, 0, 32], [$equal, 0, 1, 3],           // its third argument
    [$answer, 0, 0, 0x00050000 | 13], [$answer, 0, 0, 0x7fff0000],
];
$filter = $libc->new('struct rule['.count($rules).']');
foreach ($rules as $i => [$code, $yes, $no, $k]) {
    [$filter[$i]->code, $filter[$i]->yes, $filter[$i]->no, $filter[$i]->k] = [$code, $yes, $no, $k];
}
$program = $libc->new('struct program');
$program->length = count($rules);
$program->rules = $libc->cast('struct rule *', FFI::addr($filter));
$address = $libc->cast('unsigned long', FFI::addr($program))->cdata;
$libc->prctl(38, 1, 0, 0, 0) === 0 && $libc->prctl(22, 2, $address, 0, 0) === 0 || exit('no seccomp here');

/** Since it was last asked. */
function time_waited(): float
{
    static $last = 0;
    $before = $last;

    return ($last = microtime(true)) - $before;
}

/** Whether others go on while one job waits. */
function overlaps(string $what, callable $wait, callable $meanwhile): void
{
    $order = [];
    $result = null;
    time_waited();
    $runtime = new KQueue\Runtime(isolated: 0);
    $runtime->dispatch(function () use ($wait, &$order, &$result) { $result = $wait(); $order[] = 'waited'; });
    $runtime->dispatch(function () use ($meanwhile, &$order) { $order[] = 'meanwhile'; $meanwhile(); });
    $runtime->run();
    echo "$what: ", $order[0] === 'meanwhile' ? 'suspends the lane' : 'stops all', ', ', json_encode($result), "\n";
}
[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
stream_set_timeout($near, 0, 500000);
$write = fn ($text) => fn () => fwrite($far, $text);
overlaps('sleep', fn () => sleep(1), fn () => null);
overlaps('usleep', fn () => usleep(5000), fn () => null);
overlaps('usleep of a float', fn () => usleep(5e3), fn () => null);
overlaps('time_nanosleep', fn () => time_nanosleep(0, 5000000), fn () => null);
overlaps('time_sleep_until', fn () => time_sleep_until(microtime(true) + 0.005), fn () => null);
overlaps('fread', fn () => fread($near, 1), $write('a'));
overlaps('fgets', fn () => fgets($near), $write("line\n"));
overlaps('fgetc', fn () => fgetc($near), $write('c'));
overlaps('stream_get_line', fn () => stream_get_line($near, 10, ';'), $write('part;'));
overlaps('stream_select', function () use ($near) {
    $read = [$near];
    $none = null;
    return [stream_select($read, $none, $none, 10), count($read), fread($near, 1)];
}, $write('s'));
overlaps('stream_select in vain', function () use ($near) {
    $read = [$near];
    $none = null;
    return [stream_select($read, $none, $none, 0, 5000), count($read)];
}, fn () => null);
// Not once in the lane, and once more in the function.
overlaps('a time limit', fn () => [fread($near, 1), stream_get_meta_data($near)['timed_out'], time_waited() < 0.9], fn () => null);
$server = stream_socket_server('tcp://127.0.0.1:0');
overlaps('stream_socket_accept', fn () => is_resource(stream_socket_accept($server, 10)), fn () => $GLOBALS['client'] = stream_socket_client('tcp://'.stream_socket_get_name($server, false)));
$file = tempnam(sys_get_temp_dir(), 'kqueue');
$holder = fopen($file, 'r');
flock($holder, LOCK_EX);
overlaps('flock', fn () => flock($GLOBALS['waiter'] = fopen($file, 'r'), LOCK_EX), function () use ($holder) { usleep(10000); flock($holder, LOCK_UN); });
unlink($file);
overlaps('stream_get_contents', fn () => stream_get_contents($near, 1), $write('x'));

// What buffers hold already is not waited for, and wrong arguments are PHP's to complain of.
fwrite($far, "one\ntwo\n");
overlaps('buffered', fn () => [fgets($near), fgets($near)], fn () => null);
$runtime = new KQueue\Runtime(isolated: 0);
foreach ([fn () => sleep(-1), fn () => usleep('x'), fn () => time_nanosleep(0, -1), fn () => time_sleep_until(1.0), fn () => fread('no stream', 1)] as $wrong) {
    $runtime->dispatch($wrong);
}
$runtime->onFailed(function ($id, $error) { echo $error->getMessage(), "\n"; });
// A deadline ends what waits.
$runtime->dispatch(fn () => sleep(20), timeout: 0.05);
$runtime->dispatch(fn () => fgets($near), timeout: 0.05);
$runtime->run();
echo json_encode($runtime->stats()['hooks']['mode']), "\n";
?>
--EXPECTF--
KQueue: calls of libraries cannot be interposed here: cannot make the relocated slots of OBJECT %s writable: Permission denied %s. sleep, usleep, time_nanosleep, time_sleep_until, stream_select, fread, fgets, fgetc, stream_get_line, stream_socket_accept, flock%S suspend lanes instead. The self-test found that these stop all lanes: what extensions wait for by themselves (databases, Redis, curl, processes, name lookups).
sleep: suspends the lane, 0
usleep: suspends the lane, null
usleep of a float: suspends the lane, null
time_nanosleep: suspends the lane, true
time_sleep_until: suspends the lane, true
fread: suspends the lane, "a"
fgets: suspends the lane, "line\n"
fgetc: suspends the lane, "c"
stream_get_line: suspends the lane, "part"
stream_select: suspends the lane, [1,1,"s"]
stream_select in vain: suspends the lane, [0,0]
a time limit: suspends the lane, [%s,true,true]
stream_socket_accept: suspends the lane, true
flock: suspends the lane, true
stream_get_contents: stops all, ""
buffered: stops all, ["xone\n","two\n"]
sleep(): Argument #1 ($seconds) must be greater than or equal to 0
usleep(): Argument #1 ($microseconds) must be of type int, string given
time_nanosleep(): Argument #2 ($nanoseconds) must be greater than or equal to 0
time_sleep_until(): Argument #1 ($timestamp) must be greater than or equal to the current time
fread(): Argument #1 ($stream) must be of type resource, string given
the job has run longer than its timeout allows
the job has run longer than its timeout allows
"handlers"
