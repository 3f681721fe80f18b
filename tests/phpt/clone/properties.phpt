--TEST--
Copy rule: readonly, dynamic, unset, uninitialized, private, inherited and magic properties, and property names that are numbers
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Point { public function __construct(public readonly int $x, public readonly array $list, public readonly ?Point $other = null) {} public function set($name, $value) { $this->$name = $value; } }
class Late { public readonly string $name; public readonly array $parts; public function name(string $name) { $this->name = $name; } }
readonly class Frozen { public function __construct(public object $inner, protected ?Frozen $next = null) {} public function next() { return $this->next; } }
#[AllowDynamicProperties]
class Loose { public $declared = 1; }
class Base { private $own = 'base'; protected $shared = 'shared'; public int $count; public $gone = 'here'; public function own($x = null) { return $x === null ? $this->own : $this->own = $x; } }
class Child extends Base { private $own = 'child'; public function mine($x = null) { return $x === null ? $this->own : $this->own = $x; } }
class Magic { private array $values = []; public function __get($name) { return $this->values[$name] ?? "no $name"; } public function __set($name, $value) { $this->values[$name] = $value; } public function __isset($name) { return isset($this->values[$name]); } public function __unset($name) { unset($this->values[$name]); } }
class App { public static $point; public static $late; public static $frozen; public static $loose; public static $child; public static $magic; public static $std; }

copies(function () {
    App::$point = new Point(1, ['a' => [new Point(2, [])]], new Point(3, []));
    App::$late = [new Late, new Late];
    App::$late[1]->name('named');
    App::$frozen = new Frozen((object) ['n' => 1], new Frozen(App::$point));
    App::$loose = new Loose;
    App::$loose->added = App::$point;
    App::$loose->{'12'} = 'twelve';
    App::$loose->{'with space'} = [App::$loose];
    unset(App::$loose->declared);
    App::$child = new Child;
    App::$child->own('changed in base');
    App::$child->mine('changed in child');
    unset(App::$child->gone);
    App::$magic = new Magic;
    App::$magic->seen = App::$loose;
    App::$std = (object) ['7' => 'seven', 'self' => null, '' => 'no name'];
    App::$std->self = App::$std;
}, [
    'readonly' => fn () => [App::$point->x, App::$point->list['a'][0]->x, App::$point->other->x],
    'stays so' => fn () => App::$point->set('x', 5),
    'in its array' => function () { try { App::$point->list['a'] = 1; } catch (Error $error) { return get_class($error); } },
    'from outside' => function () { App::$point->other = null; },
    'set later' => function () { App::$late[0]->name('mine'); return [App::$late[0]->name, App::$late[1]->name, isset(App::$late[0]->parts)]; },
    'once' => fn () => App::$late[0]->name('again'),
    'not twice' => fn () => App::$late[1]->name('again'),
    'readonly class' => function () { App::$frozen->inner->n++; return [App::$frozen->inner->n, App::$frozen->next()->inner === App::$point]; },
    'what it holds stays' => function () { App::$frozen->inner = new stdClass; },
    'dynamic' => fn () => [App::$loose->added === App::$point, App::$loose->{'12'}, App::$loose->{'with space'}[0] === App::$loose, isset(App::$loose->declared), array_keys(get_object_vars(App::$loose))],
    'added and removed' => function () { App::$loose->more = 1; unset(App::$loose->added); App::$loose->declared = 'back'; return array_keys(get_object_vars(App::$loose)); },
    'private of two classes' => fn () => [App::$child->own(), App::$child->mine(), App::$child->own('lane'), App::$child->mine()],
    'uninitialized' => fn () => [(new ReflectionProperty(Base::class, 'count'))->isInitialized(App::$child), App::$child->count = 5],
    'unset' => fn () => [isset(App::$child->gone), property_exists(App::$child, 'gone'), array_keys(get_object_vars(App::$child))],
    'magic' => function () { App::$magic->new = 1; unset(App::$magic->none); return [App::$magic->seen === App::$loose, App::$magic->new, App::$magic->none, isset(App::$magic->seen)]; },
    'stdClass' => function () { App::$std->new = 1; return [App::$std->{'7'}, App::$std->self === App::$std, array_keys((array) App::$std)]; },
]);
?>
--EXPECT--
readonly: [1,2,3]
stays so: "Error: Cannot modify readonly property Point::$x"
in its array: "Error"
from outside: "Error: Cannot modify readonly property Point::$other"
set later: ["mine","named",false]
once: "Error: Cannot modify readonly property Late::$name"
not twice: "Error: Cannot modify readonly property Late::$name"
readonly class: [2,true]
what it holds stays: "Error: Cannot modify readonly property Frozen::$inner"
dynamic: [true,"twelve",true,false,["added",12,"with space"]]
added and removed: ["declared",12,"with space","more"]
private of two classes: ["changed in base","changed in child","lane","changed in child"]
uninitialized: [false,5]
unset: [false,true,["count"]]
magic: [true,1,"no none",true]
stdClass: ["seven",true,[7,"self","","new"]]
