--TEST--
Copy rule: closures of magic methods, of internal functions and methods, and of closures themselves
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Magic { public $calls = 0; public function __call($name, $arguments) { return [$name, ++$this->calls]; } public static function __callStatic($name, $arguments) { return ["static $name", static::class]; } }
class SubMagic extends Magic {}
class App { public static $all = []; public static ?Magic $magic = null; public static $array; }

copies(function () {
    App::$magic = new SubMagic;
    App::$array = new ArrayObject([1, 2]);
    $closure = function ($x = 1) { static $n = 0; return [$x, ++$n]; };
    App::$all = [
        'magic' => App::$magic->anything(...),
        'static' => SubMagic::anything(...),
        'from an array' => Closure::fromCallable([App::$magic, 'other']),
        'function' => strlen(...),
        'method' => App::$array->count(...),
        'static method' => DateTime::createFromFormat(...),
        'closure' => $closure,
        'itself' => $closure->__invoke(...),
        'bound' => Closure::bind(fn () => $this->calls, App::$magic, Magic::class),
    ];
}, [
    'magic' => fn () => [App::$all['magic'](), App::$all['from an array'](), App::$magic->calls, App::$all['static'](), App::$all['bound']()],
    'internal' => fn () => [App::$all['function']('four'), App::$array->append(3), App::$all['method'](), App::$all['static method']('Y', '2020')->format('Y')],
    'closures' => fn () => [App::$all['closure'](2), App::$all['itself'](3), App::$all['closure']()],
]);
?>
--EXPECT--
magic: [["anything",1],["other",2],2,["static anything","SubMagic"],2]
internal: [4,null,3,"2020"]
closures: [[2,1],[3,2],[1,3]]