--TEST--
What cannot be copied is found inside every kind of object, with its path, and what only weak references lead to is not looked for
--EXTENSIONS--
fileinfo
pdo
pdo_sqlite
simplexml
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class App { public static $all = []; public static $map; public static $weak; public static $key; }
class Connection { public function __construct(public ?PDO $pdo = null) {} }
class Bag extends ArrayObject { private $own; public function hold($what) { $this->own = $what; } }
class Failure extends Exception { public function __construct(public $x) {} }
class Pool extends SplObjectStorage { public function getHash(object $object): string { return 'x'; } }

/** Only the paths. */
function refused(callable $boot): void
{
    App::$all = [];
    App::$map = App::$weak = App::$key = null;
    foreach (KQueue\Engine::template($boot)['refused'] as $path) {
        echo str_replace('App::$all → ', '', $path), "\n";
    }
}

$pdo = fn () => new PDO('sqlite::memory:');
$containers = [
    fn ($x) => new ArrayObject(['deep' => ['pdo' => $x]]),
    fn ($x) => new ArrayObject(new Connection($x)),
    fn ($x) => new ArrayIterator([$x]),
    fn ($x) => new RecursiveArrayIterator([[$x]]),
    function ($x) { $bag = new Bag; $bag->hold($x); return $bag; },
    fn ($x) => SplFixedArray::fromArray([1, $x]),
    function ($x) { $queue = new SplQueue; $queue[] = 1; $queue[] = $x; return $queue; },
    function ($x) { $stack = new SplStack; $stack->push($x); return $stack; },
    function ($x) { $heap = new SplMinHeap; $heap->insert([1, new Connection($x)]); return $heap; },
    function ($x) { $queue = new SplPriorityQueue; $queue->insert(new Connection($x), 1); return $queue; },
    function ($x) { $queue = new SplPriorityQueue; $queue->insert(1, [1, $x]); return $queue; },
    function ($x) { $storage = new SplObjectStorage; $storage[$x] = 1; return $storage; },
    function ($x) { $storage = new SplObjectStorage; $storage[new stdClass] = $x; return $storage; },
    function ($x) { $storage = new Pool; $storage[new stdClass] = 1; return $storage; },
    function ($x) { $all = new MultipleIterator; $all->attachIterator(new ArrayIterator([$x])); return $all; },
    fn ($x) => new IteratorIterator(new ArrayIterator([$x])),
    fn ($x) => (function () use ($x) { yield $x; })(),
    fn ($x) => fn () => $x,
    fn ($x) => new ReflectionFunction(function () use ($x) {}),
    fn ($x) => new ReflectionParameter(function ($a) use ($x) {}, 0),
    fn ($x) => new ReflectionObject(new Connection($x)),
    fn ($x) => new ReflectionObject($x),
    fn ($x) => (new ReflectionClass(Connection::class))->getProperty('pdo'),
    fn ($x) => new SensitiveParameterValue($x),
    fn ($x) => new Fiber(fn () => $x),
    fn ($x) => new LogicException('', 0, new Failure($x)),
];
foreach ($containers as $number => $container) {
    refused(fn () => App::$all = [$number => $container($pdo())]);
}

echo "weak\n";
refused(function () use ($pdo) {
    App::$map = new WeakMap;
    App::$map[App::$key = new stdClass] = new Connection($pdo());
});
refused(function () use ($pdo) {
    App::$map = new WeakMap;
    App::$map[App::$key = new stdClass] = $next = new stdClass;
    App::$map[$next] = $pdo();
});
$kept = $pdo();
refused(function () use ($kept) {
    App::$weak = WeakReference::create($kept);
    App::$map = new WeakMap;
    App::$map[$kept] = new Connection($kept);
});
refused(function () use ($kept) {
    App::$weak = WeakReference::create($kept);
    App::$all = [$kept];
});
echo "documents and files\n";
refused(fn () => App::$all = [simplexml_load_string('<a/>'), new SplTempFileObject, new finfo(FILEINFO_MIME, __DIR__.'/../lib/magic')]);
?>
--EXPECT--
[0] → ArrayObject[deep] → [pdo] → PDO
[1] → ArrayObject[0] → Connection::$pdo → PDO
[2] → ArrayIterator[0] → PDO
[3] → RecursiveArrayIterator[0] → [0] → PDO
[4] → Bag::$own → PDO
[5] → SplFixedArray[1] → PDO
[6] → SplQueue[0] → PDO
[7] → SplStack[0] → PDO
[8] → SplMinHeap[1] → Connection::$pdo → PDO
[9] → SplPriorityQueue[0] → Connection::$pdo → PDO
[10] → SplPriorityQueue[1] → PDO
[11] → SplObjectStorage[0] → PDO
[12] → SplObjectStorage[1] → PDO
[13] → Pool
[14] → MultipleIterator[0] → ArrayIterator[0] → PDO
[15] → IteratorIterator
[16] → Generator
[17] → Closure use ($x) → PDO
[18] → ReflectionFunction[0] → Closure use ($x) → PDO
[19] → ReflectionParameter[0] → Closure use ($x) → PDO
[20] → ReflectionObject[0] → Connection::$pdo → PDO
[21] → ReflectionObject[0] → PDO
[23] → SensitiveParameterValue::$value → PDO
[24] → Fiber
[25] → LogicException::$previous → Failure::$x → PDO
weak
App::$map → WeakMap[object] → Connection::$pdo → PDO
App::$map → WeakMap[object] → PDO
[0] → PDO
documents and files
[0] → SimpleXMLElement
[1] → SplTempFileObject
[2] → finfo (it cannot be copied as it is)