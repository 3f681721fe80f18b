--TEST--
phpredis: jobs that wait for Redis, also in pipelines and by TLS
--EXTENSIONS--
igbinary
redis
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/servers.inc';
skip_without('redis-server', 'openssl', 'setpriv');
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/servers.inc';
['port' => $port, 'tls' => $tls, 'certificate' => $certificate] = redis_server();
$plain = function () use ($port) {
    $redis = new Redis();
    $redis->connect('127.0.0.1', $port, 20);

    return $redis;
};
$secure = function () use ($tls, $certificate) {
    $redis = new Redis();
    $redis->connect('tls://127.0.0.1', $tls, 20, null, 0, 20, ['stream' => ['cafile' => $certificate]]);

    return $redis;
};
$wait = fn ($connect) => function ($seconds, $which) use ($connect) {
    $redis = $connect();
    $redis->rawCommand('BLPOP', "empty $which", $seconds);
    $redis->rPush("list $which", "value $which");

    return $redis->blPop(["list $which"], 10);
};
row('phpredis-blpop', $wait($plain), fn ($which) => ["list $which", "value $which"]);
row('phpredis-tls', $wait($secure), fn ($which) => ["list $which", "value $which"]);
row('phpredis-pipeline', fn ($seconds, $which) => $plain()->pipeline()
    ->set("key $which", "value $which")
    ->rawCommand('BLPOP', "empty $which", $seconds)
    ->get("key $which")
    ->exec(), fn ($which) => [true, [], "value $which"]);
row('phpredis-transaction', function ($seconds, $which) use ($plain) {
    $redis = $plain();
    $redis->watch("counter $which");
    $redis->set("counter $which", 1);
    $redis->rawCommand('BLPOP', "empty $which", $seconds);

    return [$redis->multi()->incr("counter $which")->exec(), $redis->multi()->incr("other $which")->del("other $which")->exec()];
}, [false, [1, 1]]);
row('phpredis-subscribe', function ($seconds, $which) use ($plain) {
    $got = null;
    $redis = $plain();
    $redis->setOption(Redis::OPT_READ_TIMEOUT, $seconds);
    try {
        $redis->subscribe(["channel $which"], function () use (&$got) { $got = func_get_args(); });
    } catch (RedisException $error) {
        return [strtok($error->getMessage(), ' '), $got];
    }
}, ['read', null]);
?>
--EXPECT--
phpredis-blpop: as documented
phpredis-tls: as documented
phpredis-pipeline: as documented
phpredis-transaction: as documented
phpredis-subscribe: as documented
