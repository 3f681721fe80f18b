--TEST--
concurrently() outside of a run, in an isolated child and where a job must not be suspended: one after another, with the same results
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/concurrently.inc';
use function KQueue\concurrently;

class InChild
{
    public function handle() { return both(); }
}

function both(): array
{
    $order = [];
    $results = concurrently(['x' => function () use (&$order) { $order[] = 'x begins'; usleep(20000); $order[] = 'x ends'; return 1; }, 5 => function () use (&$order) { $order[] = '5 begins'; return 2; }], 7);
    try {
        concurrently([fn () => $order[] = 'first', function () use (&$order) { $order[] = 'second'; throw new DomainException('wrong', 0, new LogicException); }, function () use (&$order) { $order[] = 'never'; }]);
    } catch (DomainException $error) {
        $order[] = $error->getMessage().' '.get_class($error->getPrevious());
    }

    return [$results, implode(', ', $order)];
}

echo json_encode(both()), "\n";
try {
    concurrently([5]);
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
$runtime = new KQueue\Runtime;
$runtime->onFinished(function ($id, $result) { echo json_encode($result), "\n"; });
$runtime->dispatch(new InChild, isolated: true);
$runtime->run();

// While a class is loaded no other lane may run.
spl_autoload_register(function ($class) use (&$loaded) { $loaded = both(); eval("class $class {}"); });
job(function () use (&$loaded) { class_exists('Loaded'); return $loaded; });

register_shutdown_function(function () { echo "shutdown\n"; });
concurrently([function () { echo "exits\n"; exit; }, function () { echo "never\n"; }]);
echo "never\n";
?>
--EXPECT--
[{"x":1,"5":2},"x begins, x ends, 5 begins, second, wrong LogicException"]
concurrently() takes callables only; not callable: 0
[{"x":1,"5":2},"x begins, x ends, 5 begins, second, wrong LogicException"]
[{"x":1,"5":2},"x begins, x ends, 5 begins, second, wrong LogicException"]
exits
shutdown
