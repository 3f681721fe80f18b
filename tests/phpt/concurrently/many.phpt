--TEST--
concurrently(): a thousand at once, again and again, in flat memory
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
require __DIR__.'/../lib/concurrently.inc';
use function KQueue\concurrently;

job(function () {
    $memory = $rss = [];
    $resident = fn () => (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096;
    for ($round = 0; $round < 12; $round++) {
        $results = concurrently(array_map(fn ($i) => function () use ($i) { $text = str_repeat('x', 1000); usleep(1000 * ($i % 5)); return $i + strlen($text) - 1000; }, range(1, 1000)));
        if ($results !== range(1, 1000)) {
            return 'wrong results';
        }
        unset($results);
        $memory[] = memory_get_usage();
        $rss[] = $resident();
    }
    // The same with failures.
    for ($round = 0; $round < 5; $round++) {
        try {
            concurrently(array_map(fn ($i) => function () use ($i) { usleep(100); $i === 500 ? throw new DomainException : sleep(30); }, range(1, 1000)));
        } catch (DomainException) {
        }
        $failed[] = memory_get_usage();
    }

    return ($memory[11] - $memory[2] < 200000 ? 'flat' : 'grows by '.($memory[11] - $memory[2])).', '
        .($rss[11] - $rss[2] < 20 << 20 ? 'flat' : 'grows by '.($rss[11] - $rss[2])).', '
        .($failed[4] - $failed[1] < 200000 ? 'flat' : 'grows by '.($failed[4] - $failed[1]));
});
?>
--EXPECT--
flat, flat, flat
