--TEST--
Waits in generators, Fibers, callbacks, serialization, destructors and where no lane can be suspended
--EXTENSIONS--
ffi
kqueue
--INI--
ffi.enable=1
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/server.inc';
$address = slow_server();
$wait = function (float $seconds): void { usleep((int) ($seconds * 1e6)); };

row('sleep', fn ($seconds) => sleep((int) $seconds), 0, 4, 1);
row('usleep', fn ($seconds) => usleep((int) ($seconds * 1e6)));
row('time-nanosleep', fn ($seconds) => time_nanosleep(0, (int) ($seconds * 1e9)), true);
row('time-sleep-until', fn ($seconds) => time_sleep_until(microtime(true) + $seconds), true);
row('generator', function ($seconds, $which) use ($wait) {
    $generator = (function () use ($seconds, $which, $wait) { yield "$which 1"; $wait($seconds); yield "$which 2"; })();

    return iterator_to_array($generator);
}, fn ($which) => ["$which 1", "$which 2"]);
row('fiber', function ($seconds, $which) use ($wait) {
    $fiber = new Fiber(function ($x) use ($seconds, $wait) { $wait($seconds / 2); $y = Fiber::suspend("$x 1"); $wait($seconds / 2); return "$y 3"; });

    return [$fiber->start("$which"), $fiber->resume("$which 2"), $fiber->getReturn(), Fiber::getCurrent()];
}, fn ($which) => ["$which 1", null, "$which 2 3", null]);

// Two Fibers in each job, which take turns as their sockets become readable.
row('fiber-scheduler', function ($seconds, $which) use ($address) {
    $waiting = $results = [];
    foreach (['a', 'b'] as $name) {
        $fiber = new Fiber(function () use ($address, $seconds, $name, $which, &$results) {
            $stream = stream_socket_client("tcp://$address");
            stream_set_blocking($stream, false);
            fwrite($stream, "$seconds $name $which\n");
            while (($line = fgets($stream)) === false) {
                Fiber::suspend($stream);
            }
            $results[$name] = $line;
        });
        $waiting[] = [$fiber, $fiber->start()];
    }
    while ($waiting) {
        $read = array_column($waiting, 1);
        $none = null;
        stream_select($read, $none, $none, 20);
        foreach ($waiting as $key => [$fiber, $stream]) {
            if (in_array($stream, $read, true)) {
                $waiting[$key][1] = $fiber->resume();
                if ($fiber->isTerminated()) {
                    unset($waiting[$key]);
                }
            }
        }
    }
    ksort($results);

    return $results;
}, fn ($which) => ['a' => "a $which\n", 'b' => "b $which\n"]);
row('usort', function ($seconds, $which) use ($wait) {
    $numbers = [3, 1, 2];
    $calls = 0;
    usort($numbers, function ($a, $b) use ($seconds, $which, $wait, &$calls) {
        $calls++ < 2 && $wait($seconds / 2);

        return ($a <=> $b) * ($which % 2 ? -1 : 1);
    });

    return $numbers;
}, fn ($which) => $which % 2 ? [3, 2, 1] : [1, 2, 3]);

class Letter
{
    public function __construct(public float $seconds, public mixed $inner) {}
    public function __serialize(): array { usleep((int) ($this->seconds * 5e5)); return [$this->seconds, $this->inner]; }
    public function __unserialize(array $data): void { usleep((int) ($data[0] * 5e5)); [$this->seconds, $this->inner] = $data; }
}
row('unserialize', fn ($seconds, $which) => unserialize(serialize(new Letter($seconds, [$which, "text $which"])))->inner, fn ($which) => [$which, "text $which"]);
row('output-callback', function ($seconds, $which) use ($wait) {
    ob_start(fn ($text) => strtoupper($text));
    echo "text $which";
    $wait($seconds);
    ob_start();
    echo ' inner';
    $inner = ob_get_clean();

    return ob_get_clean().$inner;
}, fn ($which) => "text $which inner");
row('finally', function ($seconds, $which) use ($wait) {
    try {
        try {
            throw new RuntimeException("text $which");
        } finally {
            $wait($seconds);
        }
    } catch (RuntimeException $error) {
        return $error->getMessage();
    }
}, fn ($which) => "text $which");

class Last
{
    public function __construct(private float $seconds, private array &$said) {}
    public function __destruct() { usleep((int) ($this->seconds * 1e6)); $this->said[] = 'destructed'; }
}
row('destructor', function ($seconds) {
    $said = [];
    $object = new Last($seconds, $said);
    unset($object);

    return $said;
}, ['destructed'], 4);

// The engine keeps a list of the classes that are being loaded, which another lane would see.
spl_autoload_register(function (string $class) { usleep(300000); eval("class $class {}"); });
$count = 0;
row('autoload', function () use (&$count) { return class_exists('Loaded'.$count++); }, true, 4);
$libc = FFI::cdef('int usleep(unsigned micros);');
row('ffi', fn ($seconds) => $libc->usleep((int) ($seconds * 1e6)), 0, 4);
?>
--EXPECT--
sleep: as documented
usleep: as documented
time-nanosleep: as documented
time-sleep-until: as documented
generator: as documented
fiber: as documented
fiber-scheduler: as documented
usort: as documented
unserialize: as documented
output-callback: as documented
finally: as documented
destructor: as documented
autoload: as documented
ffi: as documented
