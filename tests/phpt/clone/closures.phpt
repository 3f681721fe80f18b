--TEST--
Copy rule: closures that refer to themselves, static ones, and first-class callables
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Thing
{
    public $made; public $calls = 0;
    public function __construct(public string $name = 'thing') {}
    public function closure(): Closure { return function () { return [$this->name, self::class, static::class, ++$this->calls]; }; }
    public function static(): Closure { return static fn () => [isset($this), self::class]; }
    public function method(string $word = 'x'): string { $this->calls++; return "$word of $this->name"; }
    private function hidden(): string { return "hidden in $this->name"; }
    public function firstHidden(): Closure { return $this->hidden(...); }
    public static function named(): string { return static::class; }
    public function __call($name, $arguments) { return "$name of $this->name"; }
    public static function __callStatic($name, $arguments) { return "static $name of ".static::class; }
    public function __invoke($x) { return "invoked with $x, {$this->name}"; }
}
class Sub extends Thing { }
function global_one() { static $n = 0; return ++$n; }
class App { public static $thing; public static $self = []; public static $static = []; public static $first = []; public static $nested; }

copies(function () {
    $thing = App::$thing = new Sub('sub');
    // By reference, by value in an array, through its own object, and one that makes others.
    $factorial = function (int $n) use (&$factorial) { return $n < 2 ? 1 : $n * $factorial($n - 1); };
    $even = function (int $n) use (&$odd) { return $n === 0 || $odd($n - 1); };
    $odd = function (int $n) use (&$even) { return $n !== 0 && $even($n - 1); };
    $thing->made = function () { return $this->made; };
    $list = new ArrayObject;
    $list['closure'] = function () use ($list) { return $list['closure']; };
    App::$self = ['factorial' => $factorial, 'even' => $even, 'odd' => $odd, 'bound' => Closure::bind($thing->made, $thing), 'list' => $list];
    $thing->made = App::$self['bound'];
    $count = 0;
    App::$static = ['plain' => static fn () => isset($this), 'in a class' => $thing->static(), 'captures' => static function () use ($thing, &$count) { return [$thing->name, ++$count]; },
        'keeps' => static function () { static $n = 10, $list = []; $list[] = ++$n; return $list; }, 'scoped' => Closure::bind(static fn () => static::class, null, Sub::class)];
    App::$first = ['method' => $thing->method(...), 'private' => $thing->firstHidden(), 'static' => Sub::named(...), 'internal' => strlen(...), 'user' => global_one(...), 'object' => $thing(...),
        'magic' => $thing->anything(...), 'static magic' => Sub::anything(...), 'of a closure' => (fn () => 'called')(...), 'internal method' => (new ArrayObject([1, 2]))->count(...), 'callable' => Closure::fromCallable([$thing, 'method'])];
    App::$nested = fn ($a) => fn ($b) => function () use ($a, $b, $thing) { return [$a, $b, $thing === App::$thing]; };
}, [
    'by reference' => fn () => [(App::$self['factorial'])(5), (App::$self['even'])(7), (App::$self['odd'])(7)],
    'through its object' => fn () => [(App::$self['bound'])() === App::$self['bound'], App::$thing->made === App::$self['bound']],
    'through a list' => fn () => (App::$self['list']['closure'])() === App::$self['list']['closure'],
    'bound to this lane\'s' => fn () => (new ReflectionFunction(App::$self['bound']))->getClosureThis() === App::$thing,
    'static' => fn () => [(App::$static['plain'])(), (App::$static['in a class'])(), (App::$static['scoped'])()],
    'static, captures' => function () { App::$thing->name = 'renamed'; return [(App::$static['captures'])(), (App::$static['captures'])()]; },
    'static, keeps' => fn () => [(App::$static['keeps'])(), (App::$static['keeps'])()],
    'static, cannot be bound' => fn () => @Closure::bind(App::$static['plain'], App::$thing),
    'first-class' => fn () => [(App::$first['method'])('word'), (App::$first['private'])(), (App::$first['static'])(), (App::$first['internal'])('four'), (App::$first['object'])(1), (App::$first['callable'])('y')],
    'of this lane\'s object' => fn () => [App::$thing->calls, (new ReflectionFunction(App::$first['method']))->getClosureThis() === App::$thing, (new ReflectionFunction(App::$first['method']))->name],
    'of a function with a static variable' => fn () => [(App::$first['user'])(), (App::$first['user'])(), global_one()],
    'magic' => fn () => [(App::$first['magic'])(), (App::$first['static magic'])()],
    'others' => fn () => [(App::$first['of a closure'])(), (App::$first['internal method'])()],
    'nested' => fn () => (App::$nested)(1)(2)(),
]);
?>
--EXPECT--
by reference: [120,false,true]
through its object: [true,true]
through a list: true
bound to this lane's: true
static: [false,[false,"Thing"],"Sub"]
static, captures: [["renamed",1],["renamed",2]]
static, keeps: [[11],[11,12]]
static, cannot be bound: null
first-class: ["word of renamed","hidden in renamed","Sub",4,"invoked with 1, renamed","y of renamed"]
of this lane's object: [2,true,"method"]
of a function with a static variable: [1,2,3]
magic: ["anything of renamed","static anything of Sub"]
others: ["called",2]
nested: [1,2,true]
