--TEST--
Stream sockets and ext/sockets
--EXTENSIONS--
sockets
kqueue
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/server.inc';
$address = slow_server();
[$host, $port] = explode(':', $address);
$line = fn ($which) => "text $which\n";
$ask = function ($seconds, $which, ?string $at = null) use ($address) {
    $stream = stream_socket_client($at ?? "tcp://$address", $code, $message, 20);
    fwrite($stream, "$seconds text $which\n");

    return $stream;
};
row('stream-read', fn ($seconds, $which) => fgets($ask($seconds, $which)), $line);
row('stream-name', fn ($seconds, $which) => fgets($ask($seconds, $which, "tcp://localhost:$port")), $line);
row('stream-select', function ($seconds, $which) use ($ask) {
    $read = [$ask($seconds, $which)];
    $none = null;

    return [stream_select($read, $none, $none, 20), fgets($read[0])];
}, fn ($which) => [1, "text $which\n"]);
row('stream-accept', function ($seconds, $which) {
    $server = stream_socket_server('tcp://127.0.0.1:0');
    proc_close(proc_open(['bash', '-c', "(exec 2>/dev/null; sleep $seconds; echo 'text $which' >/dev/tcp/".str_replace(':', '/', stream_socket_get_name($server, false)).') & :'], [], $pipes));

    return fgets(stream_socket_accept($server, 20));
}, $line);
$connect = function ($seconds, $which) use ($host, $port) {
    $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
    socket_connect($socket, $host, (int) $port);
    socket_write($socket, "$seconds text $which\n");

    return $socket;
};
row('sockets-read', fn ($seconds, $which) => socket_read($connect($seconds, $which), 100), $line);
row('sockets-recv', fn ($seconds, $which) => [socket_recv($connect($seconds, $which), $data, 100, 0), $data], fn ($which) => [7, "text $which\n"]);
row('sockets-select', function ($seconds, $which) use ($connect) {
    $read = [$connect($seconds, $which)];
    $none = null;

    return [socket_select($read, $none, $none, 20), socket_read($read[0], 100)];
}, fn ($which) => [1, "text $which\n"]);
row('sockets-accept', function ($seconds, $which) {
    $server = socket_create_listen(0);
    socket_getsockname($server, $host, $port);
    proc_close(proc_open(['bash', '-c', "(exec 2>/dev/null; sleep $seconds; echo 'text $which' >/dev/tcp/127.0.0.1/$port) & :"], [], $pipes));

    return socket_read(socket_accept($server), 100);
}, $line);
row('sockets-udp', function ($seconds, $which) {
    $socket = socket_create(AF_INET, SOCK_DGRAM, SOL_UDP);
    socket_bind($socket, '127.0.0.1', 0);
    socket_getsockname($socket, $host, $port);
    proc_close(proc_open(['bash', '-c', "(exec 2>/dev/null; sleep $seconds; echo 'text $which' >/dev/udp/127.0.0.1/$port) & :"], [], $pipes));
    socket_recvfrom($socket, $data, 100, 0, $from, $from_port);

    return $data;
}, $line);
?>
--EXPECT--
stream-read: as documented
stream-name: as documented
stream-select: as documented
stream-accept: as documented
sockets-read: as documented
sockets-recv: as documented
sockets-select: as documented
sockets-accept: as documented
sockets-udp: as documented
