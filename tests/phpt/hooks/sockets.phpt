--TEST--
ext/sockets: connect, read, recv, recvfrom, select, accept
--EXTENSIONS--
sockets
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
require __DIR__.'/../lib/server.inc';
[$host, $port] = explode(':', slow_server());
$ask = function (float $seconds, string $text, callable $read) use ($host, $port) {
    $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
    socket_connect($socket, $host, (int) $port);
    socket_write($socket, "$seconds $text\n");
    return $read($socket);
};
overlap('socket_read', fn ($seconds, $which) => $ask($seconds, $which, fn ($socket) => socket_read($socket, 100)));
overlap('socket_recv', fn ($seconds, $which) => $ask($seconds, $which, function ($socket) { $length = socket_recv($socket, $data, 100, 0); return [$length, $data]; }));
overlap('socket_select', fn ($seconds, $which) => $ask($seconds, $which, function ($socket) {
    $read = [$socket];
    $none = null;
    return [socket_select($read, $none, $none, 10), socket_read($socket, 100)];
}));
overlap('SO_RCVTIMEO', fn ($seconds, $which) => $ask(5, $which, function ($socket) use ($seconds) {
    socket_set_option($socket, SOL_SOCKET, SO_RCVTIMEO, ['sec' => 0, 'usec' => (int) ($seconds * 1e6)]);
    return [@socket_recv($socket, $data, 100, 0), socket_last_error($socket) === SOCKET_EAGAIN];
}));
overlap('recvfrom', function ($seconds, $which) {
    $receiver = socket_create(AF_INET, SOCK_DGRAM, SOL_UDP);
    socket_bind($receiver, '127.0.0.1', 0);
    socket_getsockname($receiver, $host, $port);
    proc_close(proc_open(['bash', '-c', "(sleep $seconds; printf $which >/dev/udp/127.0.0.1/$port) & :"], [], $pipes));
    socket_recvfrom($receiver, $data, 100, 0, $from, $from_port);
    return $data;
}, 0.6);
$server = socket_create_listen(0);
socket_getsockname($server, $host, $port);
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () use ($server) { $client = socket_accept($server); socket_write($client, 'hello'); socket_close($client); });
$runtime->dispatch(function () use ($port) {
    usleep(20000);
    $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
    socket_connect($socket, '127.0.0.1', $port);
    echo 'accept: ', socket_read($socket, 100), "\n";
});
$runtime->run();
?>
--EXPECT--
socket_read: overlap, {"fast":"fast\n","slow":"slow\n"}
socket_recv: overlap, {"fast":[5,"fast\n"],"slow":[5,"slow\n"]}
socket_select: overlap, {"fast":[1,"fast\n"],"slow":[1,"slow\n"]}
SO_RCVTIMEO: overlap, {"fast":[false,true],"slow":[false,true]}
recvfrom: overlap, {"fast":"fast","slow":"slow"}
accept: hello
