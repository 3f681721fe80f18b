<?php

// Whether suspensions leave anything behind: tools/php benches/suspensions.php [suspensions=1000000] [lanes=1000]
//
// Lanes that wait for time and for descriptors in turn. Memory and open descriptors of the process, when a tenth and when nine tenths of it are done.

declare(strict_types=1);

use KQueue\Runtime;

$suspensions = (int) ($argv[1] ?? 1_000_000);
$lanes = (int) ($argv[2] ?? 1000);
ini_set('memory_limit', '-1');
$need = 2 * $lanes + 100;
posix_setrlimit(POSIX_RLIMIT_NOFILE, max($need, posix_getrlimit()['soft openfiles']), max($need, posix_getrlimit()['hard openfiles'])) || exit("raise `ulimit -n` to $need\n");

$runtime = new Runtime(concurrency: $lanes, isolated: 0);
$samples = [];
$done = 0;
$sample = static function () use (&$samples, $runtime): void {
    $samples[] = [memory_get_usage(), (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096, count(scandir('/proc/self/fd'))];
};
$each = intdiv($suspensions, 2 * $lanes);
$ready = 0;
for ($i = 0; $i < $lanes; $i++) {
    $runtime->dispatch(static function () use ($each, $suspensions, $lanes, &$ready, &$done, $sample): void {
        [$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        stream_set_timeout($near, 0, 1000);
        for ($ready++; $ready < $lanes;) {
            usleep(10_000);
        }
        for ($n = 0; $n < $each; $n++) {
            usleep(1);
            fread($near, 1);
            if (($done += 2) % intdiv($suspensions, 10) === 0) {
                $sample();
            }
        }
    });
}
$began = hrtime(true);
$runtime->run();
$seconds = (hrtime(true) - $began) / 1e9;
// In the last tenth lanes end.
[$first, $last] = [$samples[0], $samples[count($samples) - 2]];
printf("%d suspensions in %d lanes: %.1f s\n", $runtime->stats()['suspensions'], $lanes, $seconds);
foreach (['PHP memory, KB' => [0, 1024], 'resident, KB' => [1, 1024], 'descriptors' => [2, 1]] as $what => [$index, $unit]) {
    $growth = ($last[$index] - $first[$index]) / $unit;
    printf("  %s: %d, then %d (target: flat, %s)\n", $what, $first[$index] / $unit, $last[$index] / $unit, $growth <= ($index === 2 ? 0 : 256) ? 'met' : 'MISSED');
}
