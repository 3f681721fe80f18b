--TEST--
Waits inside generators, Fibers, callbacks of usort and array_map, __unserialize, autoloaders, destructors and output callbacks
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
$pause = fn (float $seconds) => usleep((int) ($seconds * 1e6));

overlap('generator', function ($seconds, $which) use ($pause) {
    $generator = (function () use ($seconds, $which, $pause) { yield "$which 1"; $pause($seconds); yield "$which 2"; return "$which 3"; })();
    return [...iterator_to_array($generator), $generator->getReturn()];
});
overlap('Fiber', function ($seconds, $which) use ($pause) {
    $fiber = new Fiber(function ($x) use ($seconds, $pause) { $pause($seconds / 2); $y = Fiber::suspend("$x 1"); $pause($seconds / 2); return "$y 3"; });
    $first = $fiber->start($which);
    return [Fiber::getCurrent() === null, $first, $fiber->resume("$which 2"), $fiber->isTerminated(), $fiber->getReturn()];
});
overlap('Fiber in a Fiber', function ($seconds, $which) use ($pause) {
    $outer = new Fiber(function () use ($seconds, $which, $pause) {
        $inner = new Fiber(function () use ($seconds, $pause) { $pause($seconds); Fiber::suspend(1); $pause(0.001); });
        $inner->start();
        Fiber::suspend($which);
        $inner->resume();
        return 'ends';
    });
    $got = $outer->start();
    $outer->resume();
    return [$got, $outer->getReturn()];
});
overlap('usort', function ($seconds, $which) use ($pause) {
    $numbers = [5, 3, 9, 1, 7];
    $direction = $which === 'slow' ? 1 : -1;
    usort($numbers, function ($a, $b) use ($seconds, $direction, $pause) { $pause($seconds / 5); return ($a <=> $b) * $direction; });
    return implode($numbers);
});
overlap('array_map, preg_replace_callback', function ($seconds, $which) use ($pause) {
    return array_map(function ($text) use ($seconds, $pause) {
        return preg_replace_callback('/./', function ($match) use ($seconds, $pause) { $pause($seconds / 4); return strtoupper($match[0]); }, $text);
    }, [$which]);
});

class Slow
{
    public function __construct(public float $seconds, public string $which, public array $inner = []) {}
    public function __serialize(): array { usleep((int) ($this->seconds * 1e6 / 4)); return ['seconds' => $this->seconds, 'which' => $this->which, 'inner' => $this->inner]; }
    public function __unserialize(array $data): void { usleep((int) ($data['seconds'] * 1e6 / 4)); foreach ($data as $name => $value) { $this->$name = $value; } }
}
overlap('serialize', function ($seconds, $which) {
    $shared = new Slow($seconds / 2, 'shared');
    $copy = unserialize(serialize(new Slow($seconds, $which, [$shared, $shared, unserialize(serialize($shared))])));
    return [$copy->which, $copy->inner[0] === $copy->inner[1], $copy->inner[2]->which];
});
overlap('exception in flight', function ($seconds, $which) use ($pause) {
    try {
        try {
            throw new Exception($which);
        } finally {
            $pause($seconds);
        }
    } catch (Exception $error) {
        return $error->getMessage();
    }
});
overlap('output callback', function ($seconds, $which) use ($pause) {
    ob_start(fn ($text) => strtoupper($text));
    echo $which;
    $pause($seconds);
    ob_start();
    echo " inner";
    $pause(0.001);
    $inner = ob_get_clean();
    $outer = ob_get_contents();
    ob_end_clean();
    return $outer.$inner;
});
overlap('__toString, offsetGet, getIterator', function ($seconds, $which) use ($pause) {
    $object = new class($seconds, $which) implements ArrayAccess, IteratorAggregate {
        public function __construct(private float $seconds, private string $which) {}
        public function __toString(): string { usleep((int) ($this->seconds * 3e5)); return $this->which; }
        public function offsetGet($key): mixed { usleep((int) ($this->seconds * 3e5)); return "$this->which $key"; }
        public function offsetSet($key, $value): void {}
        public function offsetExists($key): bool { return true; }
        public function offsetUnset($key): void {}
        public function getIterator(): Iterator { usleep((int) ($this->seconds * 4e5)); yield from [1, 2]; }
    };
    return ["$object", $object['x'], [...$object]];
});

// Where the engine forbids a switch, the wait is a real one, and right: class loading; destructors before PHP 8.4.
spl_autoload_register(function ($name) { usleep(20000); eval("class $name { const NAME = '$name'; }"); });
$runtime = new KQueue\Runtime(isolated: 0);
foreach (['Loaded', 'Loaded', 'Other'] as $name) {
    $runtime->dispatch(function () use ($name) { echo $name::NAME, "\n"; });
}
$runtime->dispatch(function () { $object = new class { public function __destruct() { usleep(10000); echo "destructed\n"; } }; unset($object); echo "after it\n"; });
$runtime->run();

// A collection of cycles with destructors that wait.
$runtime->dispatch(function () {
    for ($i = 0; $i < 5; $i++) {
        $a = new class { public $self; public function __destruct() { usleep(1000); } };
        $a->self = $a;
    }
    unset($a);
    echo 'collected ', gc_collect_cycles() > 0 ? 'some' : 'none', "\n";
});
$runtime->run();
?>
--EXPECT--
generator: overlap, {"fast":["fast 1","fast 2","fast 3"],"slow":["slow 1","slow 2","slow 3"]}
Fiber: overlap, {"fast":[true,"fast 1",null,true,"fast 2 3"],"slow":[true,"slow 1",null,true,"slow 2 3"]}
Fiber in a Fiber: overlap, {"fast":["fast","ends"],"slow":["slow","ends"]}
usort: overlap, {"fast":"97531","slow":"13579"}
array_map, preg_replace_callback: overlap, {"fast":["FAST"],"slow":["SLOW"]}
serialize: overlap, {"fast":["fast",true,"shared"],"slow":["slow",true,"shared"]}
exception in flight: overlap, {"fast":"fast","slow":"slow"}
output callback: overlap, {"fast":"fast inner","slow":"slow inner"}
__toString, offsetGet, getIterator: overlap, {"fast":["fast","fast x",[1,2]],"slow":["slow","slow x",[1,2]]}
Loaded
Loaded
Other
destructed
after it
collected some
