--TEST--
Lanes may have more descriptors than an fd_set has room for; what they start has the old limit
--EXTENSIONS--
sockets
pcntl
posix
kqueue
--SKIPIF--
<?php
if (posix_getrlimit()['hard openfiles'] !== 'unlimited' && posix_getrlimit()['hard openfiles'] < 3000) {
    die('skip the hard limit of descriptors is too low');
}
?>
--FILE--
<?php
// With a soft limit of its own, whatever the caller's is.
if (! isset($argv[1])) {
    require __DIR__.'/../lib/php.inc';
    $command = implode(' ', array_map(escapeshellarg(...), php_with_kqueue(['sockets', 'pcntl', 'posix'], __FILE__, 'inner')));
    passthru("ulimit -Sn 1000; exec timeout 50 {$command} 2>&1");
    exit;
}

$limit = static fn (): string => posix_getrlimit()['soft openfiles'];
$runtime = new KQueue\Runtime(10, 1);

final class Isolated
{
    public function handle(): string
    {
        return posix_getrlimit()['soft openfiles'];
    }
}

$runtime->onFinished(static function (int $id, mixed $result): void {
    echo is_string($result) ? "an isolated child has {$result}\n" : '';
});

$began = $waited = false;
$runtime->dispatch(static function () use (&$began, &$waited, $limit): void {
    for ($files = []; count($files) < 1200; $files[] = fopen('/dev/null', 'r')) {
    }
    echo 'a lane has more: ', json_encode($limit() > 1200), "\n";

    // Streams: keys stay; what is not ready goes; a wait ends in time, and alone.
    [$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $read = ['a' => $a, 7 => $b];
    $write = $except = null;
    $began = microtime(true);
    $none = stream_select($read, $write, $except, 0, 300000);
    $waited = true;
    echo 'none: ', json_encode([$none, $read]), ' ', json_encode(microtime(true) - $began >= 0.29), "\n";

    fwrite($b, "one\ntwo\n");
    $read = ['a' => $a, 7 => $b];
    $write = [$a, $b];
    $except = ['x' => $a];
    echo 'some: ', stream_select($read, $write, $except, null), ' ', json_encode([array_keys($read), array_keys($write), $except]), "\n";
    fgets($a);
    $read = [$b, $a];
    $write = [$a];
    echo 'buffered: ', stream_select($read, $write, $except, 0), ' ', json_encode([array_keys($read), $write]), "\n";

    // The other end comes to it while it waits.
    $process = proc_open('ulimit -Sn; sleep 0.2; echo late', [1 => ['pipe', 'w']], $pipes);
    for ($said = ''; ! feof($pipes[1]);) {
        $read = [$pipes[1]];
        stream_select($read, $write, $except, 10) && $said .= fread($pipes[1], 100);
    }
    proc_close($process);
    echo 'proc_open: ', json_encode($said), "\n";
    echo 'exec: ', exec('ulimit -Sn'), "\n";

    socket_create_pair(AF_UNIX, SOCK_STREAM, 0, $sockets);
    $read = ['s' => $sockets[0], 't' => $sockets[1]];
    $write = ['u' => $sockets[0]];
    $except = null;
    socket_write($sockets[1], 'x');
    echo 'sockets: ', socket_select($read, $write, $except, 5), ' ', json_encode([array_keys($read), array_keys($write)]), "\n";

    try {
        $read = $write = $except = [];
        stream_select($read, $write, $except, 0);
    } catch (Error $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }

    $pid = pcntl_fork();
    if ($pid === 0) {
        exit(fopen('/dev/null', 'r') ? 3 : 4);
    }
    pcntl_waitpid($pid, $status);
    echo 'a forked PHP goes on with what it has: ', pcntl_wexitstatus($status), "\n";
});
$runtime->dispatch(static function () use (&$began, &$waited): void {
    while (! $began) {
        usleep(1000);
    }
    usleep(50_000);
    echo 'another lane goes on meanwhile: ', json_encode(! $waited), "\n";
});
$runtime->run();
$runtime->dispatch(new Isolated, isolated: true);
$runtime->run();
echo 'afterwards: ', $limit(), "\n";
?>
--EXPECT--
a lane has more: true
another lane goes on meanwhile: true
none: [0,[]] true
some: 3 [["a"],[0,1],[]]
buffered: 1 [[1],[]]
proc_open: "1000\nlate\n"
exec: 1000
sockets: 2 [["s"],["u"]]
ValueError: No stream arrays were passed
a forked PHP goes on with what it has: 3
an isolated child has 1000
afterwards: 1000
