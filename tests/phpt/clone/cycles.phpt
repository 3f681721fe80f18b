--TEST--
Copy rule: cycles of objects, arrays and closures of any length are copied once, and freed
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Thing { public $to; public $parts = []; public function __construct(public int $number = 0) {} }
class App { public static $self; public static $two; public static $long; public static $array; public static $closure; public static $weak = []; }

copies(function () {
    App::$self = new Thing;
    App::$self->to = App::$self;
    App::$two = new Thing(1);
    App::$two->to = new Thing(2);
    App::$two->to->to = App::$two;
    // Longer than any C stack takes a call for each.
    $last = App::$long = new Thing;
    for ($i = 1; $i < 20000; $i++) {
        $last = $last->to = new Thing($i);
    }
    $last->to = App::$long;
    App::$array = ['object' => new Thing];
    App::$array['object']->parts = [&App::$array];
    $thing = new Thing;
    App::$closure = function () use ($thing) { return $thing; };
    $thing->to = App::$closure;
    App::$weak = array_map(WeakReference::create(...), [App::$self, App::$two, App::$two->to, App::$long, $last, App::$array['object'], $thing, App::$closure]);
}, [
    'itself' => fn () => App::$self->to === App::$self,
    'two' => fn () => [App::$two->to->to === App::$two, App::$two->to->number],
    'long' => function () { for ($n = 1, $thing = App::$long; $thing->to !== App::$long; $thing = $thing->to) { $n++; } return $n; },
    'through an array' => fn () => App::$array['object']->parts[0]['object'] === App::$array['object'],
    'through a closure' => fn () => (App::$closure)()->to === App::$closure,
    'freed' => function () { App::$self = App::$two = App::$long = App::$array = App::$closure = null; gc_collect_cycles(); return array_map(fn ($weak) => $weak->get(), App::$weak); },
]);
?>
--EXPECT--
itself: true
two: [true,2]
long: 20000
through an array: true
through a closure: true
freed: [null,null,null,null,null,null,null,null]
