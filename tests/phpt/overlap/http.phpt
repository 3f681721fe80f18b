--TEST--
HTTP and HTTPS by curl and by streams; STARTTLS in the midst of a dialogue
--EXTENSIONS--
curl
posix
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/servers.inc';
skip_without('openssl', 'setpriv');
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/server.inc';
require __DIR__.'/../lib/secure.inc';
$plain = slow_server();
['address' => $secure, 'certificate' => $certificate] = secure_server('https');
$by_name = fn (string $address) => str_replace('127.0.0.1', 'localhost', $address);
$handle = function (string $url) use ($certificate) {
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 20, CURLOPT_PROXY => '', CURLOPT_CAINFO => $certificate]);

    return $curl;
};
$fetch = function (string $url) use ($handle) {
    $curl = $handle($url);

    return curl_exec($curl) ?: curl_error($curl);
};
$echo = fn ($which) => "text$which";
row('curl', fn ($seconds, $which) => $fetch("http://$plain/$seconds/text$which"), $echo);
row('curl-name', fn ($seconds, $which) => $fetch("http://{$by_name($plain)}/$seconds/text$which"), $echo);
row('curl-https', fn ($seconds, $which) => $fetch("https://$secure/$seconds/text$which"), $echo);
row('curl-https-name', fn ($seconds, $which) => $fetch("https://{$by_name($secure)}/$seconds/text$which"), $echo);
row('curl-multi', function ($seconds, $which) use ($handle, $plain, $secure) {
    $multi = curl_multi_init();
    $handles = [$handle("http://$plain/$seconds/text$which"), $handle("https://$secure/$seconds/secure$which")];
    foreach ($handles as $curl) {
        curl_multi_add_handle($multi, $curl);
    }
    do {
        curl_multi_exec($multi, $running);
        $running && curl_multi_select($multi, 5);
    } while ($running);

    return array_map(curl_multi_getcontent(...), $handles);
}, fn ($which) => ["text$which", "secure$which"]);
row('http-stream', fn ($seconds, $which) => file_get_contents("http://$plain/$seconds/text$which"), $echo);
row('http-stream-name', fn ($seconds, $which) => file_get_contents("http://{$by_name($plain)}/$seconds/text$which"), $echo);
$context = stream_context_create(['ssl' => ['cafile' => $certificate]]);
row('https-stream', fn ($seconds, $which) => file_get_contents("https://$secure/$seconds/text$which", false, $context), $echo);
row('https-stream-name', fn ($seconds, $which) => file_get_contents("https://{$by_name($secure)}/$seconds/text$which", false, $context), $echo);

// As a mailer does. Each of the nine answers comes late.
['address' => $smtp, 'certificate' => $certificate, 'folder' => $folder] = secure_server('smtp', 0.05);
row('starttls', function ($seconds, $which) use ($smtp, $certificate) {
    $stream = stream_socket_client("tcp://$smtp", $code, $message, 20, STREAM_CLIENT_CONNECT, stream_context_create(['ssl' => ['cafile' => $certificate]]));
    $say = function (string $line) use ($stream) { fwrite($stream, "$line\r\n"); };
    $hear = function () use ($stream) {
        do {
            $line = (string) fgets($stream);
        } while (($line[3] ?? '') === '-');

        return (int) $line;
    };
    $codes = [$hear()];
    foreach (['EHLO here', 'STARTTLS', 'EHLO here', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA', "letter $which\r\n.", 'QUIT'] as $line) {
        $say($line);
        $codes[] = $hear();
        $line === 'STARTTLS' && $codes[] = stream_socket_enable_crypto($stream, true, STREAM_CRYPTO_METHOD_TLS_CLIENT);
    }

    return $codes;
}, [220, 250, 220, true, 250, 250, 250, 354, 250, 221], 8, 0.45);
$letters = array_map(fn ($file) => trim(file_get_contents($file)), glob("$folder/*.letter"));
echo array_count_values($letters)['letter 7'] > 0 ? '' : json_encode($letters)."\n";
?>
--EXPECT--
curl: as documented
curl-name: as documented
curl-https: as documented
curl-https-name: as documented
curl-multi: as documented
http-stream: as documented
http-stream-name: as documented
https-stream: as documented
https-stream-name: as documented
starttls: as documented
