--TEST--
Copy rule: what is one object in the template is one object in a lane, and another one than in the next lane
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Thing { public $next; public array $list = []; public $changed = 0; }
class App { public static $one; public static $same; public static $list = []; public static $by = []; }
class Other { public static $thing; private static $hidden; public static function hide($x) { self::$hidden = $x; } public static function hidden() { return self::$hidden; } }

copies(function () {
    App::$one = App::$same = new Thing;
    App::$one->next = new Thing;
    App::$one->list = ['one' => App::$one, 'next' => App::$one->next];
    App::$list = [App::$one, [App::$one->next, [App::$one]], App::$one];
    App::$by = [spl_object_id(App::$one) => App::$one];
    Other::$thing = App::$one;
    Other::hide(App::$one->next);
}, [
    'in one class' => fn () => [App::$one === App::$same, App::$list[0] === App::$list[2], App::$list[1][1][0] === App::$one, App::$list[1][0] === App::$one->next],
    'in two' => fn () => [Other::$thing === App::$one, Other::hidden() === App::$one->next],
    'in its own array' => fn () => [App::$one->list['one'] === App::$one, App::$one->list['next'] === Other::hidden()],
    'equal is not the same' => fn () => [App::$one == clone App::$one, App::$one === clone App::$one],
    'a change is seen by all that name it' => function () { App::$one->changed++; return [App::$same->changed, Other::$thing->changed, App::$list[2]->changed]; },
    'and in this lane only' => fn () => ++App::$same->changed,
    'keys that name objects are numbers' => fn () => [count(App::$by), reset(App::$by) === App::$one],
]);
?>
--EXPECT--
in one class: [true,true,true,true]
in two: [true,true]
in its own array: [true,true]
equal is not the same: [true,false]
a change is seen by all that name it: [1,1,1]
and in this lane only: 2
keys that name objects are numbers: [1,true]
