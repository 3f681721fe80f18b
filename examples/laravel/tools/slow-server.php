<?php

// A web server that answers every request late: `php slow-server.php` listens on a free port, prints it, and answers
// `GET /?ms=500` after half a second, to any number of clients at once. It ends when its standard input is closed.

declare(strict_types=1);

$server = stream_socket_server('tcp://127.0.0.1:0', $code, $message, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, stream_context_create([
    'socket' => ['backlog' => 1024],
])) ?: exit("{$message}\n");

echo substr(strrchr(stream_socket_get_name($server, false), ':'), 1), "\n";

$clients = [];
$requests = [];
$due = [];

while (true) {
    $read = [$server, STDIN, ...$clients];
    $write = $except = null;
    $wait = $due === [] ? 60.0 : max(0.0, min($due) - microtime(true));

    if (@stream_select($read, $write, $except, (int) $wait, (int) (fmod($wait, 1) * 1e6)) === false) {
        exit(1);
    }

    foreach ($read as $stream) {
        if ($stream === STDIN) {
            if (fgets(STDIN) === false) {
                exit(0);
            }
        } elseif ($stream === $server) {
            if ($client = @stream_socket_accept($server, 0)) {
                stream_set_blocking($client, false);
                $clients[(int) $client] = $client;
                $requests[(int) $client] = '';
            }
        } else {
            $id = (int) $stream;
            $bytes = fread($stream, 8192);

            if ($bytes === '' || $bytes === false) {
                fclose($stream);
                unset($clients[$id], $requests[$id], $due[$id]);
            } elseif (str_contains($requests[$id] .= $bytes, "\r\n\r\n")) {
                preg_match('/[?&]ms=(\d+)/', $requests[$id], $match);
                $due[$id] = microtime(true) + (int) ($match[1] ?? 0) / 1000;
            }
        }
    }

    foreach ($due as $id => $time) {
        if ($time <= microtime(true)) {
            @fwrite($clients[$id], "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
            fclose($clients[$id]);
            unset($clients[$id], $requests[$id], $due[$id]);
        }
    }
}
