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
class Heavy { public $value = 0; public function ask() { return $this->value; } }
class App { public static $hooked; public static $all = []; }

template(function () {
    App::$hooked = new Hooked;
    App::$hooked->name = 'boot';
    $ghost = (new ReflectionClass(Heavy::class))->newLazyGhost(function (Heavy $heavy) { $heavy->value = 'initialized'; });
    $ghost->ask();
    App::$all = ['ghost' => $ghost, 'again' => $ghost];
});
lanes(['A' => $job = function () {
    App::$hooked->name .= '!';
    $out = [App::$hooked->name, App::$hooked->virtual, App::$hooked->log, App::$hooked->bump()];
    try { App::$hooked->number = 1; } catch (Error $error) { $out[] = preg_replace('/ from .*/', '', $error->getMessage()); }
    App::$all['ghost']->value .= ' and changed';
    usleep(100);
    return [...$out, App::$all['again']->ask()];
}, 'B' => $job], cloned: true, fresh: true, concurrency: 1);

// What is lazy still, or a proxy, is not copied: the audit says where it is.
template(function () {
    $reflector = new ReflectionClass(Heavy::class);
    $make = function () { $real = new Heavy; $real->value = 'real'; return $real; };
    App::$hooked = null;
    App::$all = ['ghost' => $reflector->newLazyGhost(function (Heavy $heavy) { $heavy->value = 'ghost'; }), 'proxy' => $reflector->newLazyProxy($make), 'initialized proxy' => $reflector->newLazyProxy($make)];
    App::$all['initialized proxy']->ask();
});
lanes(['A' => fn () => [App::$all['ghost']->ask(), App::$all['proxy']->ask(), App::$all['initialized proxy']->ask()]], cloned: true);
?>
--EXPECT--
refused: [], destructors: []
A: ["BOOT!","virtual BOOT!",["set boot","set BOOT!"],6,"Cannot modify private(set) property Hooked::$number","initialized and changed"]
B: ["BOOT!","virtual BOOT!",["set boot","set BOOT!"],6,"Cannot modify private(set) property Hooked::$number","initialized and changed"]
refused: ["App::$all → [ghost] → Heavy","App::$all → [proxy] → Heavy","App::$all → [initialized proxy] → Heavy"], destructors: []
A: ["ghost","real","real"]
