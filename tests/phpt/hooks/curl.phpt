--TEST--
curl_exec() and curl_multi
--EXTENSIONS--
curl
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
require __DIR__.'/../lib/server.inc';
$address = slow_server();
$handle = function (string $url) {
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 20, CURLOPT_PROXY => '']);
    return $curl;
};
overlap('curl_exec', fn ($seconds, $which) => curl_exec($handle("http://$address/$seconds/$which")));
overlap('by name', fn ($seconds, $which) => curl_exec($handle('http://localhost:'.explode(':', $address)[1]."/$seconds/$which")));
overlap('curl_multi', function ($seconds, $which) use ($handle, $address) {
    $multi = curl_multi_init();
    $handles = [$handle("http://$address/$seconds/$which.1"), $handle("http://$address/0.05/$which.2")];
    foreach ($handles as $curl) {
        curl_multi_add_handle($multi, $curl);
    }
    do {
        curl_multi_exec($multi, $running);
        if ($running) {
            curl_multi_select($multi, 5);
        }
    } while ($running);
    return array_map(curl_multi_getcontent(...), $handles);
});
overlap('timeout', function ($seconds) use ($handle, $address) {
    $curl = $handle("http://$address/5/late");
    curl_setopt($curl, CURLOPT_TIMEOUT_MS, (int) ($seconds * 1000));
    return [curl_exec($curl), curl_errno($curl)];
}, 0.6, 0.2);
overlap('write callback that waits', function ($seconds, $which) use ($handle, $address) {
    $curl = $handle("http://$address/0.01/$which");
    $got = '';
    curl_setopt($curl, CURLOPT_WRITEFUNCTION, function ($curl, $data) use (&$got, $seconds) { usleep((int) ($seconds * 1e6)); $got .= $data; return strlen($data); });
    curl_exec($curl);
    return $got;
});
?>
--EXPECT--
curl_exec: overlap, {"fast":"fast","slow":"slow"}
by name: overlap, {"fast":"fast","slow":"slow"}
curl_multi: overlap, {"fast":["fast.1","fast.2"],"slow":["slow.1","slow.2"]}
timeout: overlap, {"fast":[false,28],"slow":[false,28]}
write callback that waits: overlap, {"fast":"fast","slow":"slow"}
