--TEST--
Copy rule: WeakMap and WeakReference point to the lane's own copies, hold nothing, and forget what ends
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Thing { public $value; public function __construct(public string $name) {} }
class App { public static $things = []; public static ?WeakMap $map = null; public static ?WeakMap $inner = null; public static $references = []; public static $closures = []; }
class Registry { private WeakMap $known; public function __construct() { $this->known = new WeakMap; } public function of(object $key) { return $this->known[$key] ??= (object) ['for' => WeakReference::create($key), 'calls' => 0]; } public function count() { return count($this->known); } }
class Kept { public static Registry $registry; }

copies(function () {
    App::$things = ['a' => new Thing('a'), 'b' => new Thing('b')];
    App::$map = new WeakMap;
    App::$map[App::$things['a']] = App::$things['b'];
    App::$map[App::$things['b']] = [1, 'itself' => App::$things['b']];
    App::$map[new Thing('gone')] = 1;
    App::$inner = new WeakMap;
    App::$inner[App::$map] = App::$inner;
    $closure = fn () => 1;
    App::$closures = [$closure];
    App::$map[$closure] = 'a closure as key';
    App::$references = ['a' => WeakReference::create(App::$things['a']), 'again' => WeakReference::create(App::$things['a']), 'dead' => WeakReference::create(new Thing('dead')), 'map' => WeakReference::create(App::$map), 'closure' => WeakReference::create($closure)];
    Kept::$registry = new Registry;
    Kept::$registry->of(App::$things['a'])->calls++;
}, [
    'map' => fn () => [count(App::$map), App::$map[App::$things['a']] === App::$things['b'], App::$map[App::$things['b']]['itself'] === App::$things['b'], App::$map[App::$closures[0]]],
    'its keys' => function () { foreach (App::$map as $key => $value) { $keys[] = $key instanceof Thing ? $key === App::$things[$key->name] : $key === App::$closures[0]; } return $keys; },
    'map in a map' => fn () => [App::$inner[App::$map] === App::$inner, count(App::$inner)],
    'other objects' => fn () => [isset(App::$map[new Thing('a')]), isset(App::$map[clone App::$things['a']])],
    'references' => fn () => [App::$references['a']->get() === App::$things['a'], App::$references['a'] === App::$references['again'], App::$references['dead']->get(), App::$references['map']->get() === App::$map, App::$references['closure']->get() === App::$closures[0]],
    'one for each object' => fn () => WeakReference::create(App::$things['a']) === App::$references['a'],
    'in a registry' => fn () => [Kept::$registry->of(App::$things['a'])->for->get() === App::$things['a'], ++Kept::$registry->of(App::$things['a'])->calls, Kept::$registry->count()],
    'in this lane only' => function () { App::$map[$new = new Thing('new')] = 1; return [count(App::$map), ++Kept::$registry->of(App::$things['b'])->calls]; },
    'forgets' => function () { unset(App::$things['a']); gc_collect_cycles(); return [App::$references['a']->get() === null, count(App::$map), Kept::$registry->count()]; },
    'forgets the map' => function () { App::$map = null; gc_collect_cycles(); return [App::$references['map']->get() === null, count(App::$inner)]; },
]);
?>
--EXPECT--
map: [3,true,true,"a closure as key"]
its keys: [true,true,true]
map in a map: [true,1]
other objects: [false,false]
references: [true,true,null,true,true]
one for each object: true
in a registry: [true,2,1]
in this lane only: [4,1]
forgets: [true,2,1]
forgets the map: [true,0]
