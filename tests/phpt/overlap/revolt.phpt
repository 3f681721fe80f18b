--TEST--
Revolt: an event loop of its own in each job
--EXTENSIONS--
kqueue
--SKIPIF--
<?php
if (! stream_resolve_include_path('Revolt/EventLoop/autoload.php')) {
    exit('skip no Revolt here');
}
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/server.inc';
require 'Revolt/EventLoop/autoload.php';
use Revolt\EventLoop;

$address = slow_server();
// The facade keeps its loop in a static property; KQueue\Runtime has one set of those for all jobs, so each makes a driver of its own.
EventLoop::getDriver();
row('revolt', function ($seconds, $which) use ($address) {
    $loop = new EventLoop\Driver\StreamSelectDriver();
    $got = [];
    $loop->delay($seconds / 2, function () use (&$got) { $got[] = 'timer'; });
    $stream = stream_socket_client("tcp://$address");
    stream_set_blocking($stream, false);
    fwrite($stream, "$seconds text $which\n");
    $loop->onReadable($stream, function (string $id, $stream) use ($loop, &$got) {
        $got[] = fgets($stream);
        $loop->cancel($id);
    });
    $loop->run();

    return $got;
}, fn ($which) => ['timer', "text $which\n"]);
?>
--EXPECT--
revolt: as documented
