--TEST--
Predis: jobs that wait for Redis, also in pipelines and by TLS
--EXTENSIONS--
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/servers.inc';
skip_without('redis-server', 'openssl', 'setpriv');
if (! stream_resolve_include_path('Predis/Autoloader.php')) {
    exit('skip no Predis here');
}
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/servers.inc';
require 'Predis/Autoloader.php';
Predis\Autoloader::register();
['port' => $port, 'tls' => $tls, 'certificate' => $certificate] = redis_server();
$plain = fn () => new Predis\Client(['host' => '127.0.0.1', 'port' => $port]);
$secure = fn () => new Predis\Client(['scheme' => 'tls', 'host' => '127.0.0.1', 'port' => $tls, 'ssl' => ['cafile' => $certificate]]);
$wait = fn ($connect) => function ($seconds, $which) use ($connect) {
    $redis = $connect();
    $redis->executeRaw(['BLPOP', "empty $which", $seconds]);
    $redis->rpush("list $which", ["value $which"]);

    return $redis->blpop(["list $which"], 10);
};
row('predis-blpop', $wait($plain), fn ($which) => ["list $which", "value $which"]);
row('predis-tls', $wait($secure), fn ($which) => ["list $which", "value $which"]);
row('predis-pipeline', fn ($seconds, $which) => $plain()->pipeline(function ($pipe) use ($seconds, $which) {
    for ($i = 0; $i < 100; $i++) {
        $pipe->incr("counter $which");
    }
    $pipe->executeCommand(new Predis\Command\RawCommand(...raw('BLPOP', "empty $which", $seconds)));
    $pipe->getset("counter $which", 0);
}), fn ($which) => [...range(1, 100), null, '100']);

/** How the constructor of RawCommand wants it: by one array in Predis 1, by name and arguments since 2. */
function raw(string $name, mixed ...$arguments): array
{
    return version_compare(Predis\Client::VERSION, '2', '<') ? [[$name, ...$arguments]] : [$name, $arguments];
}
?>
--EXPECT--
predis-blpop: as documented
predis-tls: as documented
predis-pipeline: as documented
