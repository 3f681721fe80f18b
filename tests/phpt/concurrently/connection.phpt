--TEST--
concurrently(): callables that use the same connection take turns; each gets its own answers
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/concurrently.inc';
require __DIR__.'/../lib/server.inc';
use function KQueue\concurrently;

$server = slow_server();
foreach (['with a timeout' => true, 'without' => false] as $name => $limited) {
    job(function () use ($server, $limited) {
        $socket = stream_socket_client("tcp://$server");
        stream_set_timeout($socket, $limited ? 20 : -1);
        $ask = function (string $text, float $wait) use ($socket) {
            fwrite($socket, "$wait $text\n");

            return trim(fgets($socket));
        };
        $answers = concurrently(array_map(fn ($i) => fn () => $ask("a$i", 0.01).$ask("b$i", 0.0).(usleep(1000) ?? '').$ask("c$i", 0.01), range(0, 9)));
        foreach ($answers as $i => $answer) {
            if ($answer !== "a{$i}b{$i}c{$i}") {
                return "$i got $answer";
            }
        }

        return 'all right';
    }, name: $name);
}

// With connections of their own they do not wait for each other.
job(function () use ($server) {
    $began = microtime(true);
    concurrently(array_fill(0, 10, function () use ($server) { $socket = stream_socket_client("tcp://$server"); fwrite($socket, "0.3 x\n"); fgets($socket); }));

    return microtime(true) - $began < 2.0 ? 'overlap' : 'one after another';
}, name: 'own connections');

// One that holds it and does not end is cancelled with the others.
job(function () use ($server) {
    $socket = stream_socket_client("tcp://$server");
    $ask = function (string $wait) use ($socket) { fwrite($socket, "$wait x\n"); return fgets($socket); };
    concurrently([fn () => $ask('30'), fn () => $ask('0'), fn () => $ask('0'), function () { usleep(50000); throw new DomainException('ends them all'); }]);
}, name: 'failure');
?>
--EXPECTF--
with a timeout: all right
without: all right
own connections: overlap
%Afailure: DomainException: ends them all
