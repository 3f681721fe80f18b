--TEST--
Internal classes in a template: collections, dates, weak maps and references, exceptions
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class Thing { public function __construct(public string $name) {} }
class Bag extends ArrayObject { public $label = 'bag'; protected ?Thing $owner = null; private array $own = []; public function owner(?Thing $t = null) { return $t ? $this->owner = $t : $this->owner; } public function own($x = null) { if ($x) { $this->own[] = $x; } return $this->own; } }
class Day extends DateTimeImmutable { public ?Thing $thing = null; }
class Failure extends RuntimeException { public ?Thing $thing = null; public function __construct(string $message, private array $context = [], ?Throwable $previous = null) { parent::__construct($message, 7, $previous); } public function context() { return $this->context; } }
class Heap extends SplMinHeap { public $name = 'heap'; }
class Storage extends SplObjectStorage { public ?Thing $mark = null; }

class App { public static $all = []; public static ?WeakMap $map = null; public static $weak; public static $dead; }

$audit = template(function () {
    $thing = new Thing('thing');
    $storage = new SplObjectStorage; $storage[$thing] = 'data'; $storage[$other = new Thing('other')] = $thing;
    $mine = new Storage; $mine[$thing] = 1; $mine->mark = $thing;
    $bag = new Bag(['a' => 1, 'thing' => $thing], ArrayObject::ARRAY_AS_PROPS); $bag->owner($thing); $bag->own($thing);
    $queue = new SplQueue; $queue[] = $thing; $queue[] = 2;
    $stack = new SplStack; $stack->push(1); $stack->push($thing);
    $list = new SplDoublyLinkedList; $list->setIteratorMode(SplDoublyLinkedList::IT_MODE_LIFO); $list->push('x'); $list->push($thing);
    $fixed = SplFixedArray::fromArray([1, $thing, null]);
    $heap = new Heap; $heap->insert(3); $heap->insert(1);
    $priority = new SplPriorityQueue; $priority->insert('low', 1); $priority->insert('high', 9);
    $iterator = new ArrayIterator([1, 2, $thing]);
    $wrapped = new ArrayObject($thing);
    $day = new Day('2024-02-29 12:00:00', new DateTimeZone('Europe/Berlin')); $day->thing = $thing;
    $interval = new DateInterval('P1DT2H'); 
    $period = new DatePeriod(new DateTimeImmutable('2024-01-01'), new DateInterval('P1D'), 3);
    $mutable = new DateTime('2024-01-01 00:00:00', new DateTimeZone('UTC'));
    $failure = new Failure('failed', ['thing' => $thing], new LogicException('before')); $failure->thing = $thing;
    App::$all = compact('thing', 'other', 'storage', 'mine', 'bag', 'queue', 'stack', 'list', 'fixed', 'heap', 'priority', 'iterator', 'wrapped', 'day', 'interval', 'period', 'mutable', 'failure');
    App::$map = new WeakMap;
    App::$map[$thing] = ['for' => $thing];
    App::$map[$other] = new ArrayObject([$other]);
    App::$weak = WeakReference::create($thing);
    App::$dead = WeakReference::create(new Thing('gone'));
});

$job = function () {
    extract(App::$all);
    $out = [];
    $out['SplObjectStorage'] = [count($storage), $storage[$thing], $storage[$other] === $thing, $storage->contains(new Thing('thing'))];
    $out['subclass of it'] = [$mine[$thing], $mine->mark === $thing, get_class($mine)];
    $out['ArrayObject'] = [$bag['a'], $bag['thing'] === $thing, $bag->a, $bag->getFlags(), $bag->label, $bag->owner() === $thing, $bag->own()[0] === $thing, get_class($bag)];
    $out['SplQueue'] = [count($queue), $queue->dequeue() === $thing, $queue->dequeue()];
    $out['SplStack'] = [$stack->pop() === $thing, $stack->pop()];
    $out['SplDoublyLinkedList'] = [$list->getIteratorMode(), array_map(fn ($x) => $x === $thing ? 'thing' : $x, iterator_to_array($list))];
    $out['SplFixedArray'] = [$fixed->getSize(), $fixed[1] === $thing, $fixed[2]];
    $out['heaps'] = [$heap->extract(), $heap->extract(), count($heap), $heap->name, $priority->extract(), $priority->extract()];
    $out['ArrayIterator'] = [$iterator[2] === $thing, count($iterator)];
    $out['ArrayObject of an object'] = $wrapped['name'];
    $wrapped['name'] = 'through the wrapper';
    $out['and back'] = $thing->name;
    $out['dates'] = [$day->format('c e'), $day->thing === $thing, get_class($day), $day->modify('+1 day')->format('Y-m-d'), $interval->d, $interval->h, $mutable->modify('+1 month')->format('Y-m-d')];
    $out['period'] = array_map(fn ($date) => $date->format('m-d'), iterator_to_array($period));
    $out['exception'] = [$failure->getMessage(), $failure->getCode(), $failure->thing === $thing, $failure->context()['thing'] === $thing, get_class($failure->getPrevious()), basename($failure->getFile())];
    $out['WeakMap'] = [count(App::$map), App::$map[$thing]['for'] === $thing, App::$map[$other][0] === $other, isset(App::$map[new Thing('x')])];
    $out['WeakReference'] = [App::$weak->get() === $thing, App::$dead->get(), WeakReference::create($thing) === App::$weak];
    usleep(1000);
    // Weak means weak: when the last strong holder goes, so do they.
    $bag = $queue = $storage = $mine = $stack = $list = $fixed = $iterator = $wrapped = $day = $failure = null;
    App::$map[$thing] = null;
    App::$all = [];
    unset($thing);
    $out['freed'] = [App::$weak->get() === null, count(App::$map)];
    return json_encode($out, JSON_PRETTY_PRINT);
};
lanes(['A' => $job, 'B' => fn (array $results) => ($mine = $job()) === $results['A'] ? 'the same' : $mine], cloned: true, fresh: true, concurrency: 1);
?>
--EXPECT--
refused: [], destructors: []
A: {
    "SplObjectStorage": [
        2,
        "data",
        true,
        false
    ],
    "subclass of it": [
        1,
        true,
        "Storage"
    ],
    "ArrayObject": [
        1,
        true,
        1,
        2,
        "bag",
        true,
        true,
        "Bag"
    ],
    "SplQueue": [
        2,
        true,
        2
    ],
    "SplStack": [
        true,
        1
    ],
    "SplDoublyLinkedList": [
        2,
        {
            "1": "thing",
            "0": "x"
        }
    ],
    "SplFixedArray": [
        3,
        true,
        null
    ],
    "heaps": [
        1,
        3,
        0,
        "heap",
        "high",
        "low"
    ],
    "ArrayIterator": [
        true,
        3
    ],
    "ArrayObject of an object": "thing",
    "and back": "through the wrapper",
    "dates": [
        "2024-02-29T12:00:00+01:00 Europe\/Berlin",
        true,
        "Day",
        "2024-03-01",
        1,
        2,
        "2024-02-01"
    ],
    "period": [
        "01-01",
        "01-02",
        "01-03",
        "01-04"
    ],
    "exception": [
        "failed",
        7,
        true,
        true,
        "LogicException",
        "classes.php"
    ],
    "WeakMap": [
        2,
        true,
        true,
        false
    ],
    "WeakReference": [
        true,
        null,
        true
    ],
    "freed": [
        true,
        1
    ]
}
B: the same
