--TEST--
Classes that a job loads: their statics are per lane from then on
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

spl_autoload_register(function ($name) {
    usleep(1000);
    if ($name === 'LateParent') {
        eval('class LateParent { public static $value = "parent"; public static ?array $list = null; }');
    } elseif ($name === 'LateChild') {
        eval('class LateChild extends LateParent { public static $child = self::NAME; const NAME = "child"; }');
    } elseif (str_starts_with($name, 'Gen')) {
        eval("class $name { public static \$n = 0; }");
    }
});
$work = function (string $who) {
    return function () use ($who) {
        usleep(1000);
        $start = [LateChild::$value, LateChild::$list, LateChild::$child];
        LateChild::$value = $who;
        LateChild::$list[] = $who;
        LateChild::$child .= $who;
        usleep(2000);
        if (true) {
            if (! class_exists('Conditional', false)) {
                class Conditional { public static $c = 'c'; }
            }
        }
        usleep(2000);
        $start[] = Conditional::$c;
        Conditional::$c = $who;
        usleep(2000);
        $numbers = 0;
        for ($i = 0; $i < 20; $i++) {
            $class = 'Gen'.$i;
            $class::$n++;
            usleep(100);
            $numbers += $class::$n;
        }
        // An anonymous class and a class with another's name as its alias.
        $object = new class { public static $a = 0; };
        $object::$a++;
        usleep(100);
        $object::$a++;
        class_exists('Alias', false) || class_alias('LateChild', 'Alias');
        return [...$start, LateParent::$value, Alias::$list, Alias::$child, Conditional::$c, $numbers, $object::$a];
    };
};
$jobs = [];
foreach (['A', 'B', 'C'] as $who) {
    $jobs[$who] = $work($who);
}
lanes($jobs, cloned: false, fresh: true);
echo json_encode([LateParent::$value, LateParent::$list, LateChild::$child, Conditional::$c, Gen3::$n]), "\n";

// The same in lanes cloned from a template that knew none of them.
class Known { public static $k = 0; }
spl_autoload_register(function ($name) { if ($name === 'Newer') { eval('class Newer extends LateParent { public static $n = "new"; }'); } });
template(function () { Known::$k = 5; LateParent::$value = 'template'; });
$jobs = [];
foreach (['A', 'B'] as $who) {
    $jobs[$who] = function () use ($who) {
        $start = [Newer::$n, Newer::$value, Known::$k++];
        Newer::$n = $who;
        Newer::$value = "$who value";
        usleep(3000);
        return [...$start, Newer::$n, LateParent::$value, Known::$k];
    };
}
lanes($jobs, cloned: true, fresh: true);
echo json_encode([Newer::$n, Newer::$value, Known::$k]), "\n";
?>
--EXPECT--
A: ["parent",null,"child","c","A",["A"],"childA","A",20,2]
B: ["parent",null,"child","c","B",["B"],"childB","B",20,2]
C: ["parent",null,"child","c","C",["C"],"childC","C",20,2]
["parent",null,"child","c",0]
refused: [], destructors: []
A: ["new","template",5,"A","A value",6]
B: ["new","template",5,"B","B value",6]
["new","parent",0]
