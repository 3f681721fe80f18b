<?php

// How long an isolated job waits for its process: tools/php benches/isolated.php [jobs=500]
//
// From the moment its lane begins to the first line of handle(), in a child that has run jobs before and in one that is forked for it.

declare(strict_types=1);

use KQueue\Runtime;

final class Stamp
{
    public function handle(): float
    {
        return hrtime(true) / 1e6;
    }
}

/** @return list<float> milliseconds */
function starts(Runtime $runtime, int $jobs): array
{
    $began = $times = [];
    $runtime->onStarted(function (int $id) use (&$began) {
        $began[$id] = hrtime(true) / 1e6;
    });
    $runtime->onFinished(function (int $id, float $stamp) use (&$began, &$times, $runtime, &$jobs) {
        $times[] = $stamp - $began[$id];
        if (--$jobs > 0) {
            $runtime->dispatch(new Stamp, isolated: true);
        }
    });
    $runtime->dispatch(new Stamp, isolated: true);
    $runtime->run();

    return $times;
}

function show(string $what, array $times): void
{
    sort($times);
    printf("%-28s p50 %.2f ms, p95 %.2f ms (%d jobs)\n", $what, $times[intdiv(count($times), 2)], $times[(int) (count($times) * 0.95)], count($times));
}

$jobs = (int) ($argv[1] ?? 500);
$times = starts(new Runtime(isolated: 1), $jobs);
show('in a reused child', array_slice($times, 1));

$fresh = [];
for ($i = 0; $i < min(50, $jobs); $i++) {
    $fresh[] = starts(new Runtime(isolated: 1), 1)[0];
}
show('in a child forked for it', $fresh);

$ballast = range(1, 6_000_000); // 96 MB, as a large application might hold
$fresh = [];
for ($i = 0; $i < min(50, $jobs); $i++) {
    $fresh[] = starts(new Runtime(isolated: 1), 1)[0];
}
show('the same beside 96 MB of heap', $fresh);
