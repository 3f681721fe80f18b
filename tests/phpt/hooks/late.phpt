--TEST--
The calls of an extension that a job loads are interposed, also in the same job
--EXTENSIONS--
kqueue
--SKIPIF--
<?php
extension_loaded('sockets') and die('skip sockets is built in');
?>
--FILE--
<?php
$order = [];
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () use (&$order, $runtime) {
    $before = $runtime->stats()['hooks']['libraries'];
    dl('sockets') || dl('sockets.so');
    echo 'one library more: ', var_export($runtime->stats()['hooks']['libraries'] === $before + 1, true), "\n";
    // Without hooks this would wait for its limit, and the byte would come too late.
    socket_create_pair(AF_UNIX, SOCK_STREAM, 0, $pair);
    socket_set_option($pair[0], SOL_SOCKET, SO_RCVTIMEO, ['sec' => 2, 'usec' => 0]);
    $GLOBALS['far'] = $pair[1];
    $order[] = 'reads';
    $order[] = 'got '.json_encode(socket_read($pair[0], 1));
});
$runtime->dispatch(function () use (&$order) {
    $order[] = 'writes';
    socket_write($GLOBALS['far'], 'x');
});
$runtime->run();
echo implode(', ', $order), "\n";
?>
--EXPECT--
one library more: true
reads, writes, got "x"
