--TEST--
References held by typed properties are still checked in a cloned lane, and end without trouble
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class Typed { public int $number = 1; public ?array $list = null; public string|int $either = 'x'; public ?Typed $other = null; }
class App { public static $typed; public static $refs = []; public static int $static = 5; public static ?Typed $two = null; }

template(function () {
    App::$typed = new Typed;
    App::$typed->other = new Typed;
    // One variable that two typed properties and a typed static share.
    App::$refs['number'] = &App::$typed->number;
    App::$typed->other->number = &App::$typed->number;
    App::$refs['static'] = &App::$static;
    App::$refs['list'] = &App::$typed->list;
    App::$refs['other'] = &App::$typed->other;
    App::$two = new Typed;
    App::$two->either = &App::$typed->either;
});
$job = function () {
    $out = [];
    App::$refs['number'] = 2;
    $out[] = [App::$typed->number, App::$typed->other->number];
    foreach (['number' => 'text', 'static' => [], 'list' => 5, 'other' => new stdClass] as $name => $wrong) {
        try {
            App::$refs[$name] = $wrong;
            $out[] = "$name accepted";
        } catch (TypeError $error) {
            $out[] = $error->getMessage();
        }
    }
    App::$refs['number'] = '7';      // coerced, as the properties are ints
    $out[] = App::$typed->number;
    // A property let go: the others still check.
    unset(App::$typed->number);
    try { App::$refs['number'] = 'text'; $out[] = 'accepted'; } catch (TypeError $error) { $out[] = $error->getMessage(); }
    App::$typed->other = null;
    App::$refs['number'] = 'now free';
    $out[] = App::$refs['number'];
    try { App::$two->either = []; } catch (TypeError $error) { $out[] = $error->getMessage(); }
    App::$typed->either = 5;
    $out[] = App::$two->either;
    usleep(100);
    return json_encode($out, JSON_PRETTY_PRINT);
};
$jobs = ['A' => $job];
for ($i = 0; $i < 50; $i++) {
    $jobs["again $i"] = fn (array $results) => $job() === $results['A'] ? 'same' : 'different';
}
ob_start();
lanes($jobs, cloned: true, fresh: true, concurrency: 1);
$lines = ob_get_clean();
echo preg_replace('/again \d+: same\n/', '', $lines, -1, $same), "$same times the same\n";
echo App::$static, "\n";
?>
--EXPECT--
refused: [], destructors: []
A: [
    [
        2,
        2
    ],
    "Cannot assign string to reference held by property Typed::$number of type int",
    "Cannot assign array to reference held by property App::$static of type int",
    "Cannot assign int to reference held by property Typed::$list of type ?array",
    "Cannot assign stdClass to reference held by property Typed::$other of type ?Typed",
    7,
    "Cannot assign string to reference held by property Typed::$number of type int",
    "now free",
    "Cannot assign array to property Typed::$either of type string|int",
    5
]
50 times the same
5
