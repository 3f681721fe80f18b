--TEST--
A phpredis connection that several jobs use: each gets its own answers, one after the other, and the jobs are named once
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
require __DIR__.'/../lib/servers.inc';
['port' => $port] = redis_server();
set_error_handler(function ($level, $message) use ($port) {
    echo str_replace(":$port ", ':PORT ', preg_replace(['/descriptor \d+/', '~/\S*/~'], ['descriptor N', ''], $message)), "\n";
    return true;
});
$redis = new Redis();
$redis->connect('127.0.0.1', $port, 20);
$runtime = new KQueue\Runtime(isolated: 0);
$wrong = 0;
$runtime->onFailed(function ($id, $error) { echo "$id failed: {$error->getMessage()}\n"; });
for ($i = 0; $i < 20; $i++) {
    $runtime->dispatch(function () use ($redis, $i, &$wrong) {
        for ($n = 0; $n < 20; $n++) {
            $redis->set("key $i", "value $i $n");
            $n % 20 === 0 && $redis->rawCommand('BLPOP', "empty $i", 0.01);
            $wrong += $redis->get("key $i") !== "value $i $n";
        }
    });
}
// Neighbours go on meanwhile.
$ticks = 0;
$runtime->dispatch(function () use (&$ticks) { for (; $ticks < 20; $ticks++) { usleep(1000); } });
$runtime->run();
echo "$wrong wrong, $ticks ticks\n";
?>
--EXPECTF--
KQueue: job %d (closure at shared-redis.php:%d) uses the connection to 127.0.0.1:PORT (descriptor N) while job %d (closure at shared-redis.php:%d) waits for it. It sends nothing until the other has its answer. Open a connection inside each job instead of handing one to several, or let the job run isolated.
0 wrong, 20 ticks
