--TEST--
PHP 8.4: lazy objects and property hooks in a template
--EXTENSIONS--
kqueue
--SKIPIF--
<?php
if (PHP_VERSION_ID < 80400) {
    die('skip needs PHP 8.4');
}
?>
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';
// As text: older versions cannot compile it.
eval(<<<'PHP'
class Hooked
{
    public array $log = [];
    public string $name = 'x' { get => strtoupper($this->name); set(string $value) { $this->log[] = "set $value"; $this->name = $value; } }
    public string $virtual { get => 'virtual '.$this->name; }
    public private(set) int $number = 5;
    public function bump() { return ++$this->number; }
}
PHP);
class Heavy { public $value = 0; public ?Heavy $friend = null; public function __construct() { $GLOBALS['made'][] = 'constructed'; $this->value = 1; } public function ask() { return $this->value; } }
class App { public static $hooked; public static $all = []; public static $done; }

$made = [];
template(function () {
    App::$hooked = new Hooked;
    App::$hooked->name = 'boot';
    $reflector = new ReflectionClass(Heavy::class);
    $initialized = $reflector->newLazyGhost(function (Heavy $heavy) { $heavy->__construct(); $heavy->value = 'initialized'; });
    $initialized->ask();
    $proxied = $reflector->newLazyProxy(function () { $real = new Heavy; $real->value = 'real'; return $real; });
    $proxied->ask();
    App::$done = ['ghost' => $initialized, 'proxy' => $proxied];
});
lanes(['A' => $job = function () {
    App::$hooked->name .= '!';
    $out = [App::$hooked->name, App::$hooked->virtual, App::$hooked->log, App::$hooked->bump()];
    try { App::$hooked->number = 1; } catch (Error $error) { $out[] = preg_replace('/ from .*/', '', $error->getMessage()); }
    usleep(100);
    return [...$out, App::$done['ghost']->ask(), App::$done['proxy']->ask()];
}, 'B' => $job], cloned: true, fresh: true, concurrency: 1);
echo count($made), "\n";

// Not initialized yet.
template(function () {
    $reflector = new ReflectionClass(Heavy::class);
    App::$hooked = null;
    App::$done = null;
    App::$all = [
        'ghost' => $reflector->newLazyGhost(function (Heavy $heavy) { $heavy->value = 'ghost'; }),
        'proxy' => $reflector->newLazyProxy(function () { $real = new Heavy; $real->value = 'proxied'; return $real; }),
    ];
    App::$all['again'] = App::$all['ghost'];
});
lanes(['A' => $job = function () {
    $lazy = (new ReflectionClass(Heavy::class))->isUninitializedLazyObject(App::$all['ghost']);
    $out = [$lazy, App::$all['again'] === App::$all['ghost'], App::$all['ghost']->ask(), App::$all['proxy']->ask()];
    App::$all['ghost']->value .= ' changed';
    usleep(100);
    return [...$out, App::$all['again']->value];
}, 'B' => $job], cloned: true, fresh: true, concurrency: 1);
?>
--EXPECT--
x
