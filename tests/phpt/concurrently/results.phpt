--TEST--
concurrently(): callables overlap; results have the keys and the order of the input; the limit holds; it nests
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/concurrently.inc';
use function KQueue\concurrently;

class Service
{
    public function results() { return concurrently([[$this, 'hidden'], [$this, 'known'], $this->hidden(...), [self::class, 'known'], 'strtoupper' => fn () => strtoupper('x')]); }
    private function hidden() { usleep(1000); return 'hidden'; }
    private static function known() { usleep(1000); return 'known'; }
}

job(function () {
    $order = new ArrayObject;
    $task = fn (string $name, int $ms) => function () use ($name, $ms, $order) {
        $order[] = "$name begins";
        usleep($ms * 1000);
        $order[] = "$name ends";

        return strtoupper($name);
    };
    echo json_encode(concurrently(['slow' => $task('slow', 150), 7 => $task('fast', 30), -3 => $task('medium', 90)])), "\n";

    return implode(', ', (array) $order);
}, name: 'overlap');

job(function () {
    foreach ([1, 2, 3, 10, null] as $limit) {
        $now = $most = 0;
        concurrently(array_fill(0, 6, function () use (&$now, &$most) { $most = max($most, ++$now); usleep(5000); $now--; }), $limit);
        echo "limit ", json_encode($limit), ": $most\n";
    }
    return concurrently([]);
}, name: 'none');

job(fn () => (new Service)->results(), name: 'callables of many kinds');

job(function () {
    $inner = fn ($a) => fn () => array_sum(concurrently(array_map(fn ($b) => function () use ($a, $b) { usleep(20000); return $a * $b; }, [1, 2, 3])));
    $began = microtime(true);
    $sums = concurrently(array_map(fn ($a) => fn () => concurrently([$inner($a), $inner(10 * $a)]), range(1, 5)));
    return json_encode($sums).(microtime(true) - $began < 0.5 ? '' : ', but one after another');
}, name: 'nested');

job(function () {
    $fiber = new Fiber(fn () => concurrently([fn () => usleep(1000) ?? 1, function () { $own = new Fiber(function () { usleep(1000); Fiber::suspend(2); }); return $own->start(); }]));
    $fiber->start();
    return $fiber->getReturn();
}, name: 'in fibers');

job(function () {
    $shared = ['count' => 0];
    $by = &$shared['count'];
    concurrently(array_fill(0, 5, function () use (&$by) { usleep(1000); $by++; }));
    $one = concurrently(['only' => fn () => usleep(1000) ?? 'one']);
    $null = concurrently([fn () => null, function () { usleep(1000); }]);
    return [$shared, $one, $null];
}, name: 'variables');

// A neighbour goes on meanwhile.
$runtime = new KQueue\Runtime(isolated: 0);
$log = [];
$runtime->dispatch(function () use (&$log) { concurrently([fn () => usleep(100000), fn () => usleep(100000)]); $log[] = 'group'; });
$runtime->dispatch(function () use (&$log) { usleep(30000); $log[] = 'neighbour'; });
$runtime->run();
echo implode(', ', $log), "\n";

foreach ([[[fn () => 1, 'no such function', 'x' => 5, 'y' => fn () => 1]], [[fn () => 1], 0], [[fn () => 1], -2]] as $arguments) {
    job(fn () => concurrently(...$arguments));
}
?>
--EXPECT--
{"slow":"SLOW","7":"FAST","-3":"MEDIUM"}
overlap: slow begins, fast begins, medium begins, fast ends, medium ends, slow ends
limit 1: 1
limit 2: 2
limit 3: 3
limit 10: 6
limit null: 6
none: []
callables of many kinds: {"0":"hidden","1":"known","2":"hidden","3":"known","strtoupper":"X"}
nested: [[6,60],[12,120],[18,180],[24,240],[30,300]]
in fibers: [1,2]
variables: [{"count":5},{"only":"one"},[null,null]]
neighbour, group
KQueue\Exception\InvalidArgument: concurrently() takes callables only; not callable: 1, "x"
KQueue\Exception\InvalidArgument: limit must be at least 1, not 0
KQueue\Exception\InvalidArgument: limit must be at least 1, not -2
