--TEST--
Copy rule: SplObjectStorage and ArrayObject, their subclasses, flags, positions, and what they wrap
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Thing { public $name = 'thing'; public $extra = [1]; }
class Pool extends SplObjectStorage { public array $log = []; private ?Thing $chief = null; public function chief(?Thing $to = null) { return $to ? $this->chief = $to : $this->chief; } }
class Bag extends ArrayObject { protected $owner; public array $log = []; public function owner($x = null) { return $x ? $this->owner = $x : $this->owner; } public function offsetSet($key, $value): void { $this->log[] = $key; parent::offsetSet($key, $value); } }
class App { public static $thing; public static $storage; public static $pool; public static $array; public static $bag; public static $over; public static $nested; public static $iterator; }

copies(function () {
    $thing = App::$thing = new Thing;
    App::$storage = new SplObjectStorage;
    App::$storage[$thing] = ['data' => $thing];
    App::$storage[App::$storage] = 'itself';
    App::$storage->attach(function () use ($thing) { return $thing; });
    App::$pool = new Pool;
    App::$pool[$thing] = 'pooled';
    App::$pool->chief($thing);
    App::$pool->log[] = $thing;
    App::$array = new ArrayObject(['a' => $thing, 5 => 'five', 'list' => [$thing]]);
    App::$bag = new Bag([], ArrayObject::ARRAY_AS_PROPS);
    App::$bag['x'] = $thing;
    App::$bag[] = App::$bag;
    App::$bag->owner($thing);
    App::$over = new ArrayObject($thing);
    App::$nested = new ArrayObject(new ArrayObject(['deep' => $thing]));
    App::$iterator = new ArrayIterator([3, 1, 2]);
}, [
    'storage' => fn () => [count(App::$storage), App::$storage[App::$thing]['data'] === App::$thing, App::$storage[App::$storage], App::$storage->contains(new Thing)],
    'a closure in it' => function () { foreach (App::$storage as $object) { if ($object instanceof Closure) { return $object() === App::$thing; } } },
    'subclass of it' => fn () => [get_class(App::$pool), App::$pool->chief() === App::$thing, App::$pool->log[0] === App::$thing],
    'has it' => fn () => App::$pool->contains(App::$thing),
    'changed' => function () { App::$storage->detach(App::$thing); App::$pool[new Thing] = 1; return [count(App::$storage), count(App::$pool)]; },
    'array' => fn () => [App::$array['a'] === App::$thing, App::$array['list'][0] === App::$thing, array_keys(App::$array->getArrayCopy()), count(App::$array)],
    'appended' => function () { App::$array[] = 'next'; unset(App::$array['a']); return array_keys(App::$array->getArrayCopy()); },
    'subclass' => fn () => [App::$bag->x === App::$thing, App::$bag[0] === App::$bag, App::$bag->owner() === App::$thing, App::$bag->log, App::$bag->getFlags(), App::$bag->getIteratorClass()],
    'its own methods' => function () { App::$bag['y'] = 2; return App::$bag->log; },
    'over an object' => function () { App::$over['name'] = 'renamed'; App::$over['more'] = 1; return [App::$thing->name, count(App::$over)]; },
    'over another' => fn () => App::$nested['deep'] === App::$thing,
    'iterator' => function () { App::$iterator->asort(); return iterator_to_array(App::$iterator); },
    'sorted' => function () { App::$array->ksort(); return count(App::$array); },
]);
?>
--EXPECT--
storage: [3,true,"itself",false]
a closure in it: true
subclass of it: ["Pool",true,true]
has it: true
changed: [2,2]
array: [true,true,["a",5,"list"],3]
appended: [5,"list",6]
subclass: [true,true,true,["x",null],2,"ArrayIterator"]
its own methods: ["x",null,"y"]
over an object: ["renamed",3]
over another: true
iterator: {"1":1,"2":2,"0":3}
sorted: 3
