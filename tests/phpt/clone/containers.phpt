--TEST--
Copy rule: what internal classes hold is copied with them, in its order, with flags and positions, and none of the user's methods runs
--EXTENSIONS--
fileinfo
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';

/** Notes what is called of it, but for what the looks call. */
trait Loud
{
    public static array $calls = [];
    public readonly ?Thing $first;
    public ?Thing $typed = null;
    private array $own = [];
    public function fill(Thing $thing) { $this->first = $thing; $this->typed = $thing; $this->own['thing'] = &$this->typed; return $this; }
    public function filled(Thing $thing) { $this->own['thing'] = new Thing('through the reference'); return [$this->first === $thing, $this->typed->name, get_class($this)]; }
    public function __clone() { Calls::$list[] = static::class.'::'.__FUNCTION__; }
    public function __serialize(): array { Calls::$list[] = static::class.'::'.__FUNCTION__; return []; }
    public function __unserialize(array $data): void { Calls::$list[] = static::class.'::'.__FUNCTION__; }
    public function __wakeup(): void { Calls::$list[] = static::class.'::'.__FUNCTION__; }
    public function __destruct() { Calls::$list[] = static::class.'::'.__FUNCTION__; }
    public function __set($name, $value) { Calls::$list[] = static::class.'::'.__FUNCTION__; }
    public function __get($name) { Calls::$list[] = static::class.'::'.__FUNCTION__; }
}
class Calls { public static $list = []; }
class Thing { public function __construct(public string $name) {} }
class LoudArray extends ArrayObject { use Loud; public function offsetGet(mixed $key): mixed { Calls::$list[] = 'get'; return parent::offsetGet($key); } public function getIterator(): Iterator { Calls::$list[] = 'iterator'; return parent::getIterator(); } }
class LoudIterator extends ArrayIterator { use Loud; public function current(): mixed { Calls::$list[] = 'current'; return parent::current(); } }
class LoudStorage extends SplObjectStorage { use Loud; public function attach(object $object, mixed $info = null): void { Calls::$list[] = 'attach'; parent::attach($object, $info); } public function offsetSet($object, mixed $info = null): void { Calls::$list[] = 'set'; parent::offsetSet($object, $info); } }
class LoudList extends SplDoublyLinkedList { use Loud; public function push(mixed $value): void { Calls::$list[] = 'push'; parent::push($value); } }
class LoudFixed extends SplFixedArray { use Loud; public function offsetGet($key): mixed { Calls::$list[] = 'get'; return parent::offsetGet($key); } }
class LoudHeap extends SplHeap { use Loud; public bool $fail = false; protected function compare(mixed $a, mixed $b): int { Calls::$list[] = 'compare'; if ($this->fail) { throw new Exception('compare'); } return strcmp($b->name, $a->name); } }
class LoudQueue extends SplPriorityQueue { use Loud; public function compare(mixed $a, mixed $b): int { Calls::$list[] = 'compare'; return $b <=> $a; } }
class LoudDate extends DateTimeImmutable { use Loud; public function __construct() { Calls::$list[] = 'construct'; parent::__construct('2024-02-29'); } }
class LoudFile extends SplFileInfo { use Loud; }
class LoudInfo extends finfo { use Loud; public function __construct(int $flags, public readonly string $for) { Calls::$list[] = 'construct'; parent::__construct($flags); } }
class LoudFunction extends ReflectionFunction { use Loud; public function __construct($closure) { Calls::$list[] = 'construct'; parent::__construct($closure); } }
class LoudClass extends ReflectionClass { use Loud; }
class LoudReflectedObject extends ReflectionObject { public ?Thing $mark = null; }
class App { public static array $all = []; public static ?Thing $thing = null; public static array $loud = []; }

function all(string $name) { return App::$all[$name]; }
function drain(iterable $all) { $seen = []; foreach ($all as $one) { $seen[] = $one instanceof Thing ? ($one === App::$thing ? 'the thing' : $one->name) : $one; } return $seen; }

copies(function () {
    $thing = App::$thing = new Thing('thing');
    $array = (new LoudArray(['a' => 1, 'thing' => $thing], ArrayObject::ARRAY_AS_PROPS, LoudIterator::class))->fill($thing);
    $array['itself'] = $array;
    $iterator = (new LoudIterator([1, $thing, 3]))->fill($thing);
    $storage = (new LoudStorage)->fill($thing);
    $storage[$thing] = [$thing]; $storage[$storage] = 'itself'; $storage[new Thing('last')] = null;
    $storage->rewind(); $storage->next(); $storage->next();
    $list = (new LoudList)->fill($thing);
    $list->setIteratorMode(SplDoublyLinkedList::IT_MODE_LIFO); $list->push(1); $list->push($thing); $list->push($list); $list->push(4);
    $list->rewind(); $list->next();
    $queue = new SplQueue; $queue->setIteratorMode(SplQueue::IT_MODE_DELETE); $queue[] = 1; $queue[] = $thing; $queue->rewind();
    $fixed = (new LoudFixed(4))->fill($thing); $fixed[0] = $thing; $fixed[2] = [$fixed, $thing];
    $heap = (new LoudHeap)->fill($thing);
    foreach (['c', 'a', 'd', 'b'] as $name) { $heap->insert(new Thing($name)); }
    $heap->insert($thing);
    $corrupted = new LoudHeap; $corrupted->insert(new Thing('x')); $corrupted->fail = true;
    try { $corrupted->insert(new Thing('y')); } catch (Exception) {}
    $corrupted->fail = false;
    $priority = (new LoudQueue)->fill($thing); $priority->setExtractFlags(SplPriorityQueue::EXTR_BOTH);
    $priority->insert($thing, 3); $priority->insert('first', 1); $priority->insert([$thing], [9, $thing]);
    $min = new SplMinHeap; foreach ([[3, $thing], [1, $thing], [2, $thing]] as $one) { $min->insert($one); }
    $both = new MultipleIterator(MultipleIterator::MIT_KEYS_ASSOC | MultipleIterator::MIT_NEED_ANY);
    $both->attachIterator($iterator, 'one'); $both->attachIterator(new ArrayIterator([7, 8]), 2);
    $engine = new Random\Engine\Mt19937(5); $engine->generate();
    $random = new Random\Randomizer($engine);
    $own = new Random\Randomizer(new class implements Random\Engine { public $n = 0; public function generate(): string { return pack('P', ++$this->n); } });
    $info = (new LoudInfo(FILEINFO_MIME_TYPE, 'tests'))->fill($thing);
    $closure = function ($a, ?Thing $b = null) use ($thing) { return [$a, $thing->name]; };
    $function = (new LoudFunction($closure))->fill($thing);
    $parameter = (new ReflectionFunction($closure))->getParameters()[1];
    $object = new LoudReflectedObject($thing); $object->mark = $thing;
    $class = (new LoudClass(Thing::class))->fill($thing);
    $named = new ReflectionMethod(Thing::class, '__construct');
    $date = (new LoudDate)->fill($thing);
    $file = (new LoudFile('/tmp/x.txt'))->fill($thing);
    App::$all = compact('array', 'iterator', 'storage', 'list', 'queue', 'fixed', 'heap', 'corrupted', 'priority', 'min', 'both', 'engine', 'random', 'own', 'info', 'closure', 'function', 'parameter', 'object', 'class', 'named', 'date', 'file');
    App::$loud = compact('array', 'iterator', 'storage', 'list', 'fixed', 'heap', 'priority', 'info', 'function', 'class', 'date', 'file');
    Calls::$list = [];
}, [
    'called while lanes are made' => fn () => Calls::$list,
    'properties of subclasses' => function () { foreach (App::$loud as $name => $one) { $seen[$name] = $one->filled(App::$thing); } return count(array_unique(array_map(fn ($one) => json_encode(array_slice($one, 0, 2)), $seen))) === 1 ? [reset($seen)[0], reset($seen)[1], count($seen)] : $seen; },
    'they are checked' => function () { foreach (App::$loud as $one) { try { $one->first = null; $seen[] = 'set'; } catch (Error $error) { $seen[] = explode(' ', $error->getMessage())[2] ?? ''; } try { $one->typed = 'text'; $seen[] = 'set'; } catch (TypeError) { } } return array_values(array_unique($seen)); },
    'ArrayObject' => fn () => [all('array')['thing'] === App::$thing, all('array')['itself'] === all('array'), all('array')->a, all('array')->getFlags(), all('array')->getIteratorClass()],
    'SplObjectStorage' => fn () => [count(all('storage')), all('storage')[App::$thing][0] === App::$thing, all('storage')[all('storage')], all('storage')->key(), all('storage')->current()->name],
    'SplDoublyLinkedList' => fn () => [all('list')->getIteratorMode(), all('list')->key(), all('list')->current() === all('list'), count(all('list'))],
    'SplQueue that deletes' => fn () => [all('queue')->current(), drain(all('queue')), count(all('queue'))],
    'SplFixedArray' => fn () => [all('fixed')[0] === App::$thing, all('fixed')[2][0] === all('fixed'), all('fixed')[1], all('fixed')->getSize()],
    'SplHeap' => fn () => [count(all('heap')), drain(all('heap')), count(all('heap'))],
    'a corrupted one' => function () { $seen = [all('corrupted')->isCorrupted()]; try { all('corrupted')->top(); } catch (RuntimeException $error) { $seen[] = $error->getMessage(); } all('corrupted')->recoverFromCorruption(); $seen[] = count(all('corrupted')); return $seen; },
    'SplPriorityQueue' => function () { $queue = all('priority'); $seen = [$queue->getExtractFlags()]; while (count($queue)) { $one = $queue->extract(); $seen[] = [is_array($one['data']) ? $one['data'][0] === App::$thing : ($one['data'] === App::$thing ?: $one['data']), is_array($one['priority']) ? $one['priority'][1] === App::$thing : $one['priority']]; } return $seen; },
    'SplMinHeap' => fn () => array_map(fn ($one) => [$one[0], $one[1] === App::$thing], iterator_to_array(all('min'), false)),
    'MultipleIterator' => function () { foreach (all('both') as $key => $value) { $seen[] = [$key, array_map(fn ($one) => $one === App::$thing ? 'the thing' : $one, $value)]; } return [all('both')->countIterators(), all('both')->getFlags(), $seen]; },
    'random numbers' => fn () => [bin2hex(all('engine')->generate()), all('random')->getInt(1, 1000), all('random')->engine === all('engine'), all('own')->engine->n, all('own')->nextInt(), all('own')->engine->n],
    'finfo' => fn () => [all('info')->buffer('<?php echo 1;'), all('info')->for],
    'reflectors' => fn () => [all('function')->invoke(1), all('function')->getClosure() === all('closure'), all('parameter')->getName(), all('parameter')->getDeclaringFunction()->getClosure() === all('closure'), all('object')->mark === App::$thing, all('object')->getShortName(), all('class')->newInstance('new')->name, all('named')->class],
    'values' => fn () => [all('date')->format('Y-m-d'), all('file')->getFilename()],
    'changed in each' => function () { all('array')['new'] = 1; all('fixed')[3] = 'new'; all('heap')->insert(new Thing('new')); all('priority')->insert('new', 1); all('list')->push('new'); all('storage')[all('list')] = 1; return [count(all('array')), all('fixed')[3], count(all('heap')), count(all('priority')), count(all('list')), count(all('storage'))]; },
]);
?>
--EXPECT--
called while lanes are made: []
properties of subclasses: [true,"through the reference",12]
they are checked: ["set","readonly"]
ArrayObject: [true,true,1,2,"LoudIterator"]
SplObjectStorage: [3,true,"itself",2,"last"]
SplDoublyLinkedList: [2,2,true,4]
SplQueue that deletes: [1,[1,"the thing"],0]
SplFixedArray: [true,true,null,4]
SplHeap: [5,["a","b","c","d","the thing"],0]
a corrupted one: [true,"Heap is corrupted, heap properties are no longer ensured.",2]
SplPriorityQueue: [3,["first",1],[true,3],[true,true]]
SplMinHeap: [[1,true],[2,true],[3,true]]
MultipleIterator: [2,2,[[{"one":0,"2":0},{"one":1,"2":7}],[{"one":1,"2":1},{"one":"the thing","2":8}],[{"one":2,"2":null},{"one":3,"2":null}]]]
random numbers: ["ce48200e",768,true,0,0,1]
finfo: ["text/x-php","tests"]
reflectors: [[1,"thing"],true,"b",true,true,"Thing","new","Thing"]
values: ["2024-02-29","x.txt"]
changed in each: [5,"new",1,1,5,4]