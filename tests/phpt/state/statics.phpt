--TEST--
Lanes have their own static properties, as declared; those of the process stay as they are
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

trait Counts { public static $count = 0; private static array $seen = []; public static function see($x) { self::$seen[] = $x; static::$count++; return self::$seen; } }
enum Suit: string { case Hearts = 'h'; case Spades = 's'; const Wild = self::Spades; }
const BASE = 40;
class Base
{
    public static $own = 'declared';
    protected static ?string $typed = null;
    public static $array = ['a' => [1, 2]];
    public static $constant = self::FACTOR * BASE + 2;
    public const FACTOR = 1;
    public static Suit $suit = Suit::Wild;
    public static ?object $object = null;
    public static int|string $union = 1;
    public static function typed(?string $value = null) { return $value === null ? static::$typed : static::$typed = $value; }
}
class Inheriting extends Base { }
class Redeclaring extends Base { public static $own = 'redeclared'; public static $more = 5; }
class Counter1 { use Counts; }
class Counter2 { use Counts; }
class Counter3 extends Counter2 { }
abstract class Hidden { private static $secret = 0; public static function next() { return ++self::$secret; } }
if (true) {
    class Conditional { public static $value = 'conditional'; }
}

function look(): array
{
    return [Base::$own, Inheriting::$own, Redeclaring::$own, Redeclaring::$more, Base::typed(), Base::$array, Base::$constant, Base::$suit->name,
        Base::$object?->name, Base::$union, Counter1::$count, Counter2::$count, Counter3::$count, Conditional::$value];
}
function change(string $who): void
{
    Base::$own = "$who own";
    Redeclaring::$own = "$who redeclared";
    Redeclaring::$more .= $who;
    Inheriting::typed("$who typed");
    Base::$array['a'][] = $who;
    Base::$constant++;
    Base::$suit = Suit::Hearts;
    Base::$object = (object) ['name' => $who];
    Base::$union = $who;
    Counter1::see($who);
    Counter3::see($who);
    Conditional::$value = $who;
}

// The process's own.
change('process');
Hidden::next();
$process = look();

$declared = null;
$job = function (string $who) use (&$declared) {
    return function () use ($who, &$declared) {
        $before = look();
        $declared ??= $before;
        change($who);
        $mine = look();
        $secret = Hidden::next();
        for ($i = 0; $i < 5; $i++) {
            usleep(1000);
            if (look() !== $mine) {
                return 'changed by another: '.json_encode(look());
            }
        }
        return [$before === $declared, Hidden::next() - $secret, count(Counter1::see('x'))];
    };
};
$jobs = [];
foreach (['A', 'B', 'C', 'D'] as $who) {
    $jobs[$who] = $job($who);
}
lanes($jobs, cloned: false, fresh: true);
echo json_encode($declared), "\n";
echo look() === $process ? "the process's own are as they were" : json_encode(look()), "\n";
echo Hidden::next(), "\n";
?>
--EXPECT--
A: [true,1,2]
B: [true,1,2]
C: [true,1,2]
D: [true,1,2]
["declared","declared","redeclared",5,null,{"a":[1,2]},42,"Spades",null,1,0,0,0,"conditional"]
the process's own are as they were
2
