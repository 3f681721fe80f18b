--TEST--
Names that a slow server knows
--EXTENSIONS--
curl
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/names.inc';
skip_without_namespaces();
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/server.inc';
require __DIR__.'/../lib/names.inc';
with_slow_names(0.3, 'curl', 'kqueue');
$port = explode(':', slow_server())[1];
row('names-gethostbyname', fn ($seconds, $which) => gethostbyname("a$which.test"), '127.0.0.1');
row('names-gethostbynamel', fn ($seconds, $which) => gethostbynamel("b$which.test"), ['127.0.0.1']);
row('names-dns-get-record', fn ($seconds, $which) => dns_get_record("c$which.test", DNS_A)[0]['ip'] ?? null, '127.0.0.1');
row('names-stream', function ($seconds, $which) use ($port) {
    $stream = stream_socket_client("tcp://d$which.test:$port", $code, $message, 20);
    fwrite($stream, "0 text $which\n");

    return fgets($stream);
}, fn ($which) => "text $which\n");
row('names-curl', function ($seconds, $which) use ($port) {
    $curl = curl_init("http://e$which.test:$port/0/text$which");
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 20, CURLOPT_PROXY => '']);

    return curl_exec($curl) ?: curl_error($curl);
}, fn ($which) => "text$which");
?>
--EXPECT--
names-gethostbyname: as documented
names-gethostbynamel: as documented
names-dns-get-record: as documented
names-stream: as documented
names-curl: as documented
