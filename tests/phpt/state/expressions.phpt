--TEST--
Interleaved jobs have their own tick functions; a static's expression may name a constant that comes later; a deprecated setting is told once
--EXTENSIONS--
iconv
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class Later { public static $value = [LATER, self::OWN]; const OWN = 'own'; public static int $count = 0; }
class Nowhere { public static $value = NEVER; }

$value = function (string $who) {
    try { $first = Later::$value; } catch (Error $e) { $first = $e->getMessage(); }
    usleep(2000);
    defined('LATER') || define('LATER', 'defined');
    usleep(2000);
    $second = Later::$value;
    Later::$value[] = $who;
    usleep(2000);
    try { $never = Nowhere::$value; } catch (Error $e) { $never = $e->getMessage(); }
    return [$first, $second, Later::$value, $never];
};
lanes(['A' => fn () => $value('A'), 'B' => fn () => $value('B')], cloned: false);
lanes(['C' => fn () => $value('C'), 'D' => fn () => $value('D')], cloned: false);
template(null);
lanes(['E' => fn () => $value('E'), 'F' => fn () => $value('F')], cloned: true);

$ticks = fn (int $more) => function () use ($more) {
    declare(ticks=1) {
        $count = 0;
        usleep(1000);
        for ($i = 0; $i < $more; $i++) {
            register_tick_function($tick = function () use (&$count) { $count++; });
        }
        usleep(1000);
        $before = $count;
        usleep(1000);
        return [$before > 0, $count > $before];
    }
};
lanes(['none' => $ticks(0), 'one' => $ticks(1), 'two' => $ticks(2), 'none again' => $ticks(0)], cloned: false);

set_error_handler(function (int $level, string $message) { static $told = 0; echo "told: ", preg_replace('/.*(Use of \S+ is deprecated).*/', '$1', $message), "\n"; $told++ && throw new ErrorException($message); return true; });
$deprecated = fn (string $encoding) => function () use ($encoding) {
    ini_set('iconv.internal_encoding', $encoding);
    for ($i = 0; $i < 50; $i++) { usleep(100); }
    return ini_get('iconv.internal_encoding');
};
lanes(['sets' => $deprecated('ISO-8859-1'), 'others' => function () { for ($i = 0; $i < 50; $i++) { usleep(100); } return [ini_get('iconv.internal_encoding'), error_get_last()]; }], cloned: false);
?>
--EXPECT--
A: ["Undefined constant \"LATER\"",["defined","own"],["defined","own","A"],"Undefined constant \"NEVER\""]
B: ["Undefined constant \"LATER\"",["defined","own"],["defined","own","B"],"Undefined constant \"NEVER\""]
C: [["defined","own"],["defined","own"],["defined","own","C"],"Undefined constant \"NEVER\""]
D: [["defined","own"],["defined","own"],["defined","own","D"],"Undefined constant \"NEVER\""]
refused: [], destructors: []
E: [["defined","own"],["defined","own"],["defined","own","E"],"Undefined constant \"NEVER\""]
F: [["defined","own"],["defined","own"],["defined","own","F"],"Undefined constant \"NEVER\""]
none: [false,false]
one: [true,true]
two: [true,true]
none again: [false,false]
told: Use of iconv.internal_encoding is deprecated
sets: ISO-8859-1
others: ["",null]
