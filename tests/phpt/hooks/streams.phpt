--TEST--
Stream sockets: connect, read, write, accept, select, timeouts, and http by file_get_contents()
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
require __DIR__.'/../lib/server.inc';
$address = slow_server();
[, $port] = explode(':', $address);

$ask = function (string $address, float $seconds, string $text, callable $read) {
    $stream = stream_socket_client($address, $code, $message, 10);
    fwrite($stream, "$seconds $text\n");
    return $read($stream);
};
overlap('fgets', fn ($seconds, $which) => $ask("tcp://$address", $seconds, $which, fgets(...)));
overlap('by name', fn ($seconds, $which) => $ask("tcp://localhost:$port", $seconds, $which, fgets(...)));
overlap('fread', fn ($seconds, $which) => $ask("tcp://$address", $seconds, $which, fn ($stream) => fread($stream, 100)));
overlap('stream_get_line', fn ($seconds, $which) => $ask("tcp://$address", $seconds, $which, fn ($stream) => stream_get_line($stream, 100, "\n")));
overlap('fsockopen', function ($seconds, $which) use ($port) {
    $stream = fsockopen('127.0.0.1', (int) $port);
    fwrite($stream, "$seconds $which\n");
    return fgets($stream);
});
overlap('stream_select', fn ($seconds, $which) => $ask("tcp://$address", $seconds, $which, function ($stream) {
    $read = [$stream];
    $none = null;
    $ready = stream_select($read, $none, $none, 10);
    return [$ready, fgets($stream)];
}));
overlap('stream_select that times out', fn ($seconds, $which) => $ask("tcp://$address", 5, $which, function ($stream) use ($seconds) {
    $read = [$stream];
    $none = null;
    return stream_select($read, $none, $none, 0, (int) ($seconds * 1e6));
}));
overlap('stream_set_timeout', fn ($seconds, $which) => $ask("tcp://$address", 5, $which, function ($stream) use ($seconds) {
    stream_set_timeout($stream, 0, (int) ($seconds * 1e6));
    return [fgets($stream), stream_get_meta_data($stream)['timed_out']];
}));
overlap('non-blocking', fn ($seconds, $which) => $ask("tcp://$address", $seconds, $which, function ($stream) {
    stream_set_blocking($stream, false);
    for ($early = 0; ($line = fgets($stream)) === false; $early++) {
        usleep(5000);
    }
    return [$early > 0, $line];
}));
overlap('http', fn ($seconds, $which) => file_get_contents("http://$address/$seconds/$which"));
overlap('http, a handle', fn ($seconds, $which) => stream_get_contents(fopen("http://$address/$seconds/$which", 'r')));

// accept() in one job, connect() in the other.
$server = stream_socket_server('tcp://127.0.0.1:0');
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () use ($server) {
    for ($i = 0; $i < 3; $i++) {
        $client = stream_socket_accept($server, 10);
        fwrite($client, strtoupper(fgets($client)));
        fclose($client);
    }
});
for ($i = 0; $i < 3; $i++) {
    $runtime->dispatch(function () use ($server, $i, &$answers) {
        $stream = stream_socket_client('tcp://'.stream_socket_get_name($server, false));
        usleep(20000 * (1 + $i));
        fwrite($stream, "client $i\n");
        $answers[] = 'accept: '.fgets($stream);
    });
}
$runtime->run();
sort($answers);    // which of two that are ready goes on first is not said
echo implode($answers);

// A pair between two jobs, with more than its buffer holds.
[$left, $right] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$runtime->dispatch(function () use ($left) { $written = fwrite($left, str_repeat('x', 3 << 20)); echo "wrote $written\n"; fclose($left); });
$runtime->dispatch(function () use ($right) { usleep(10000); echo 'read '.strlen(stream_get_contents($right))."\n"; });
$runtime->run();
?>
--EXPECT--
fgets: overlap, {"fast":"fast\n","slow":"slow\n"}
by name: overlap, {"fast":"fast\n","slow":"slow\n"}
fread: overlap, {"fast":"fast\n","slow":"slow\n"}
stream_get_line: overlap, {"fast":"fast","slow":"slow"}
fsockopen: overlap, {"fast":"fast\n","slow":"slow\n"}
stream_select: overlap, {"fast":[1,"fast\n"],"slow":[1,"slow\n"]}
stream_select that times out: overlap, {"fast":0,"slow":0}
stream_set_timeout: overlap, {"fast":[false,true],"slow":[false,true]}
non-blocking: overlap, {"fast":[true,"fast\n"],"slow":[true,"slow\n"]}
http: overlap, {"fast":"fast","slow":"slow"}
http, a handle: overlap, {"fast":"fast","slow":"slow"}
accept: CLIENT 0
accept: CLIENT 1
accept: CLIENT 2
wrote 3145728
read 3145728
