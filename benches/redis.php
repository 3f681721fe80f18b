<?php

// Waiting for Redis: tools/php benches/redis.php [lanes=2000] [trips=20000]
//
// A Redis server of its own. Many lanes that each wait on a connection of their own; a round trip inside a lane and outside of a run, alone
// and beside those many that wait; what the many cost while they wait.

declare(strict_types=1);

use KQueue\Runtime;

require dirname(__DIR__).'/tests/phpt/lib/servers.inc';

$lanes = (int) ($argv[1] ?? 2000);
$trips = (int) ($argv[2] ?? 20000);
$need = $lanes + 100;
posix_setrlimit(POSIX_RLIMIT_NOFILE, max($need, posix_getrlimit()['soft openfiles']), max($need, posix_getrlimit()['hard openfiles'])) || exit("raise `ulimit -n` to $need\n");
ini_set('memory_limit', '-1');
['port' => $port] = redis_server();
$connect = static function () use ($port): Redis {
    $redis = new Redis;
    $redis->connect('127.0.0.1', $port, 30);

    return $redis;
};
$connect()->set('key', 'value');
$run = static function (int $concurrency, Closure ...$jobs): float {
    $runtime = new Runtime(concurrency: $concurrency, isolated: 0);
    $runtime->onFailed(static fn (int $id, Throwable $error) => exit("job $id: {$error->getMessage()}\n"));
    foreach ($jobs as $job) {
        $runtime->dispatch($job);
    }
    $began = hrtime(true);
    $runtime->run();

    return (hrtime(true) - $began) / 1e9;
};
$judge = static fn (bool $met): string => $met ? 'met' : 'MISSED';
// The first run also tests the hooks.
$run(1, static fn () => usleep(1));

$answers = 0;
$wait = static function () use ($connect, &$answers): void {
    $redis = $connect();
    $answers += in_array($redis->rawCommand('BLPOP', 'empty', 1), [[], null, false], true);
};
$best = INF;
for ($i = 0; $i < 5; $i++) {
    $best = min($best, $run($lanes, ...array_fill(0, $lanes, $wait)));
}
$answers === 5 * $lanes || exit("only $answers answers\n");
printf("%d lanes, each with its own connection, wait 1 s for Redis (BLPOP), best of 5: %.2f s in all (target: 1.6 s for 2,000, %s)\n", $lanes, $best, $judge($best <= 1.6));

/** Microseconds a round trip; the median of many short stretches, since other programs disturb. */
$stretches = static function (Redis $redis, int $trips): float {
    $times = [];
    for ($done = 0; $done < $trips; $done += 200) {
        $began = hrtime(true);
        for ($i = 0; $i < 200; $i++) {
            $redis->get('key');
        }
        $times[] = (hrtime(true) - $began) / 200e3;
    }
    sort($times);

    return $times[intdiv(count($times), 2)];
};
$redis = $connect();
$inside = static function () use ($run, $stretches, $redis, $trips): float {
    $run(1, static function () use ($stretches, $redis, $trips, &$time): void {
        $time = $stretches($redis, intdiv($trips, 5));
    });

    return $time;
};
$cpu = static function (): int {
    $used = getrusage();

    return 1_000_000 * ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) + $used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec'];
};
// In turn, and the best of each: other programs must not count. The processor time leaves them out by itself.
$times = $used = [[], []];
for ($i = 0; $i < 10; $i++) {
    foreach ([static fn (): float => $stretches($redis, intdiv($trips, 5)), $inside] as $where => $measure) {
        $before = $cpu();
        $times[$where][] = $measure();
        $used[$where][] = ($cpu() - $before) / intdiv($trips, 5);
    }
}
[$outside, $within] = array_map(min(...), $times);
[$usedOutside, $usedWithin] = array_map(min(...), $used);
printf("a round trip outside of a run: %.1f us, inside a lane: %.1f us, %+.1f (target: +15, %s); processor time %.1f and %.1f us\n", $outside, $within, $within - $outside, $judge($within - $outside <= 15), $usedOutside, $usedWithin);

// Beside many that wait: neither a turn of the loop nor a switch may know of them.
$crowd = static function (int $waiting) use ($run, $connect, $stretches, $redis, $trips, $cpu): array {
    $result = [];
    $ready = 0;
    $jobs = array_fill(0, $waiting, static function () use ($connect, &$ready): void {
        $redis = $connect();
        $ready++;
        $redis->setOption(Redis::OPT_READ_TIMEOUT, 60);
        $redis->blPop('end', 60);
    });
    $jobs[] = static function () use (&$ready, $waiting, $stretches, $redis, $trips, $connect, $cpu, &$result): void {
        while ($ready < $waiting) {
            usleep(10_000);
        }
        usleep(300_000);
        $result['time'] = $stretches($redis, intdiv($trips, 2));
        // And while nobody has anything to do.
        $before = $cpu();
        for ($i = 0; $i < 100; $i++) {
            usleep(10_000);
        }
        $result['turn'] = ($cpu() - $before) / 100;
        $connect()->rPush('end', ...array_fill(0, max(1, $waiting), 'x'));
    };
    $run($waiting + 1, ...$jobs);
    $redis->del('end');

    return $result;
};
$ratio = $turns = [];
for ($i = 0; $i < 3; $i++) {
    $few = $crowd(0);
    $many = $crowd($lanes);
    $ratio[] = $many['time'] / $few['time'];
    $turns[] = [$few['turn'], $many['turn']];
}
sort($ratio);
usort($turns, static fn (array $a, array $b): int => $a[1] <=> $b[1]);
printf("beside %d lanes that wait a round trip takes %.2f times as long (target: 1.3, %s)\n", $lanes, $ratio[1], $judge($ratio[1] <= 1.3));
printf("processor time of a loop's turn: %.0f us alone, %.0f us beside them\n", $turns[1][0], $turns[1][1]);
