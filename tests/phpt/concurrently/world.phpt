--TEST--
concurrently(): the callables have the statics and handlers of their job's lane, and no other lane's; output arrives in order
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';
use KQueue\Engine;
use function KQueue\concurrently;

class World { public static string $name = 'declared'; public static int $count = 0; public static ?object $last = null; }

function world(string $name): string
{
    World::$name = $name;
    World::$count = 0;
    ob_start();
    set_error_handler(function ($level, $message) use ($name) { World::$count += 100; return true; });
    $seen = concurrently(array_map(fn ($i) => function () use ($i, $name) {
        echo "$i begins ";
        usleep(1000 * (7 - $i));
        World::$count++;
        $mine = World::$name;
        usleep(1000 * $i);
        if ($i === 2) {
            trigger_error('for the handler of the job');
            ob_start();
            echo 'left open ';
        }
        if ($i === 3) {
            set_error_handler(function () { World::$count += 1000; return true; });
            usleep(1000);
            trigger_error('for its own');
            World::$last = (object) ['by' => $name];
        }
        echo "$i ends, ";

        return $mine;
    }, [1, 2, 3, 4]));
    @trigger_error('for the handler of the job again');
    restore_error_handler();

    return implode(',', array_unique($seen)).' '.World::$count.' '.World::$last?->by.' | '.rtrim(ob_get_clean(), ', ');
}

$jobs = [];
foreach (['one', 'two', 'three'] as $name) {
    $jobs[$name] = fn () => world($name);
}
lanes($jobs, false);
echo World::$name, ' ', World::$count, ' ', json_encode(World::$last), "\n";

// The lane's own calls are for the lane's own code.
lanes(['calls' => fn () => implode("\n", concurrently(array_map(fn ($method) => function () use ($method) {
    usleep(1000);
    try {
        return json_encode(Engine::$method(...($method === 'idle' ? [1.0] : ($method === 'reserved' ? [[]] : []))));
    } catch (KQueue\Exception\InvalidArgument $error) {
        return $error->getMessage();
    }
}, ['lead', 'idle', 'reserved', 'finished', 'timedOut'])))], false);

// Written at once where nobody buffers.
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () {
    concurrently([function () { echo "a\n"; usleep(20000); echo "c\n"; }, function () { usleep(10000); echo "b\n"; ob_start(); echo "flushed\n"; }]);
    $level = error_reporting(E_ERROR);
    echo json_encode(concurrently([fn () => usleep(1000) ?? error_reporting() === E_ERROR, fn () => ob_get_level()])), "\n";
    error_reporting($level);
});
$runtime->run();
?>
--EXPECT--
one: one 1204 one | 1 begins 1 ends, 2 begins left open 2 ends, 3 begins 3 ends, 4 begins 4 ends
two: two 1204 two | 1 begins 1 ends, 2 begins left open 2 ends, 3 begins 3 ends, 4 begins 4 ends
three: three 1204 three | 1 begins 1 ends, 2 begins left open 2 ends, 3 begins 3 ends, 4 begins 4 ends
declared 0 null
calls: Engine::lead() does not work inside concurrently()
Engine::idle() does not work inside concurrently()
Engine::reserved() does not work inside concurrently()
Engine::finished() does not work inside concurrently()
Engine::timedOut() does not work inside concurrently()
a
b
flushed
c
[true,0]
