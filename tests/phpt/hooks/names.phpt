--TEST--
Look-ups of host names
--EXTENSIONS--
kqueue
--FILE--
<?php
$runtime = new KQueue\Runtime(isolated: 0);
$results = [];
$runtime->dispatch(function () use (&$results) { $results[] = 'gethostbyname: '.gethostbyname('localhost'); });
$runtime->dispatch(function () use (&$results) { $results[] = 'numeric: '.gethostbyname('127.0.0.1'); });
$runtime->dispatch(function () use (&$results) { $results[] = 'gethostbynamel: '.json_encode(array_slice(gethostbynamel('localhost'), 0, 1)); });
for ($i = 0; $i < 20; $i++) {
    $runtime->dispatch(function () use (&$results) {
        $server = stream_socket_server('tcp://localhost:0');
        $client = stream_socket_client('tcp://localhost:'.preg_replace('/.*:/', '', stream_socket_get_name($server, false)), $code, $message, 10);
        $results[] = 'localhost: '.(is_resource($client) ? 'connected' : $message);
    });
}
$runtime->run();
echo 'suspensions: ', $runtime->stats()['suspensions'] > 0 ? 'some' : 'none', "\n";
$counts = array_count_values($results);
ksort($counts);
foreach ($counts as $result => $count) {
    echo "$count x $result\n";
}
?>
--EXPECT--
suspensions: some
1 x gethostbyname: 127.0.0.1
1 x gethostbynamel: ["127.0.0.1"]
20 x localhost: connected
1 x numeric: 127.0.0.1
