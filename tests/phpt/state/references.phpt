--TEST--
Static properties that are references, typed ones among them
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class Refs
{
    public static $a = 1;
    public static $b = 2;
    public static int $typed = 3;
    public static ?array $list = null;
    public static array $registry = [];
    public static function &typed() { return self::$typed; }
}
$job = function (string $who) {
    return function () use ($who) {
        // Tied together in the lane, by a variable of the job too.
        Refs::$a = &Refs::$b;
        $mine = &Refs::$typed;
        Refs::$registry['typed'] = &Refs::$typed;
        Refs::$b = $who;
        $mine = ord($who);
        usleep(1000);
        $result = [Refs::$a, Refs::$typed, Refs::$registry];
        foreach (['mine' => function () use (&$mine) { $mine = 'no number'; }, 'registry' => function () { Refs::$registry['typed'] = []; }] as $name => $assign) {
            try {
                $assign();
                $result[] = "$name: accepted";
            } catch (TypeError $error) {
                $result[] = $error->getMessage();
            }
            usleep(1000);
        }
        $mine++;
        $result[] = Refs::$typed;
        return $result;
    };
};
lanes(['A' => $job('A'), 'B' => $job('B')], cloned: false, fresh: true);
echo json_encode([Refs::$a, Refs::$b, Refs::$typed, Refs::$registry]), "\n";
Refs::$a = 'untied';
echo Refs::$b, "\n";

// The same ties made by the template: each lane has its own.
template(function () {
    Refs::$a = &Refs::$b;
    Refs::$registry = ['typed' => &Refs::$typed, 'list' => &Refs::$list, 'a' => &Refs::$a];
    Refs::$list = [1];
});
$job = fn (string $who) => function () use ($who) {
    $start = [Refs::$a, Refs::$b, Refs::$typed];
    Refs::$registry['a'] = $who;
    Refs::$registry['typed'] += ord($who);
    Refs::$registry['list'][] = $who;
    usleep(1000);
    $result = [...$start, Refs::$a, Refs::$b, Refs::$typed, Refs::$list];
    foreach (['typed', 'list'] as $name) {
        try {
            Refs::$registry[$name] = 'wrong';
            $result[] = 'accepted';
        } catch (TypeError $error) {
            $result[] = $error->getMessage();
        }
    }
    return $result;
};
lanes(['A' => $job('A'), 'B' => $job('B')], cloned: true, fresh: true);
echo json_encode([Refs::$a, Refs::$b, Refs::$typed, Refs::$registry, Refs::$list]), "\n";
Refs::$typed = 5;
$untied = &Refs::$typed;
try {
    $untied = 'x';
} catch (TypeError $error) {
    echo $error->getMessage(), "\n";
}

// A variable that a lane's typed property was tied to is free when the lane is gone.
$outlives = 1;
lanes(['ties' => function () use (&$outlives) { Refs::$typed = &$outlives; return Refs::$typed; }], cloned: false, fresh: true);
$outlives = 'free';
echo $outlives, "\n";
?>
--EXPECT--
A: ["A",65,{"typed":66},"Cannot assign string to reference held by property Refs::$typed of type int","Cannot assign array to reference held by property Refs::$typed of type int",66]
B: ["B",66,{"typed":67},"Cannot assign string to reference held by property Refs::$typed of type int","Cannot assign array to reference held by property Refs::$typed of type int",67]
[1,2,3,[]]
2
refused: [], destructors: []
A: [2,2,3,"A","A",68,[1,"A"],"Cannot assign string to reference held by property Refs::$typed of type int","Cannot assign string to reference held by property Refs::$list of type ?array"]
B: [2,2,3,"B","B",69,[1,"B"],"Cannot assign string to reference held by property Refs::$typed of type int","Cannot assign string to reference held by property Refs::$list of type ?array"]
["untied",2,3,[],null]
Cannot assign string to reference held by property Refs::$typed of type int
ties: 1
free
