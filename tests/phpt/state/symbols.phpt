--TEST--
Lanes have their own global variables and superglobals; those of the process stay as they are
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

$number = 1;
$list = ['process'];
$object = (object) ['by' => 'process'];
$reference = &$list;
$_SERVER['MINE'] = 'process';
$_GET = ['q' => 'process'];

function names(): array { return array_values(array_diff(array_keys($GLOBALS), ['_GET', '_POST', '_COOKIE', '_FILES', '_SERVER', '_ENV', '_REQUEST', 'argv', 'argc'])); }
function add(string $who): array
{
    global $number, $list, $made;
    $number = ($number ?? 0) + strlen($who);
    $list[] = $who;
    $made ??= (object) ['by' => $who];
    $GLOBALS['direct']['deep'][] = $who;
    $_SERVER['MINE'] .= $who;
    $_GET['q'] = $who;
    putenv("IGNORED=$who");
    return look();
}
function look(): array
{
    global $made;
    $name = 'number';
    return [$GLOBALS[$name], $GLOBALS['list'], $made?->by, $GLOBALS['direct'], $_SERVER['MINE'], $_GET, isset($GLOBALS['object'])];
}

foreach ([false, true] as $cloned) {
    if ($cloned) {
        template(function () {
            global $fromBoot, $same;
            $GLOBALS['number'] = 1000;
            $fromBoot = (object) ['list' => [1, 2]];
            $same = $fromBoot;
            $fromBoot->self = $fromBoot;
            $GLOBALS['reference'] = &$fromBoot->list;
            $_SERVER['BOOTED'] = '1';
        });
    }
    $jobs = [];
    foreach (['A', 'BB', 'CCC'] as $who) {
        $jobs[$who] = function () use ($who) {
            $before = names();
            $mine = add($who);
            for ($i = 0; $i < 5; $i++) {
                usleep(1000);
                if (look() !== $mine) {
                    return 'changed by another: '.json_encode(look());
                }
            }
            unset($GLOBALS['made']);
            $GLOBALS["own_$who"] = 1;
            usleep(500);
            $boot = $GLOBALS['fromBoot'] ?? null;
            if ($boot) {
                $GLOBALS['reference'][] = $who;
            }
            return json_encode([$before, $mine, isset($GLOBALS['made']), count(names()) - count($before), $boot ? [$boot === $GLOBALS['same'], $boot === $boot->self, $boot->list, $_SERVER['BOOTED']] : null, count($_SERVER['argv'] ?? []), $GLOBALS['argc']]);
        };
    }
    lanes($jobs, cloned: $cloned, fresh: true);
}
echo json_encode([$number, $list, $object->by, $reference, isset($made), isset($GLOBALS['direct']), $_SERVER['MINE'], $_SERVER['BOOTED'] ?? null, $_GET]), "\n";

// The same function binds variables at different places of different tables.
lanes([
    'one' => function () { for ($i = 0; $i < 50; $i++) { $GLOBALS["filler_$i"] = $i; } $a = add('one'); usleep(1000); return json_encode([$a === look(), $GLOBALS['filler_7']]); },
    'two' => function () { usleep(500); $a = add('two'); for ($i = 0; $i < 3; $i++) { unset($GLOBALS['direct'], $GLOBALS['list']); add('two'); usleep(400); } return json_encode([look(), isset($GLOBALS['filler_7'])]); },
], cloned: false, fresh: true);

// An object in a lane's global variable ends with the lane, while the lane's variables are there; the process's does not.
class Ends { public function __construct(public string $name) {} public function __destruct() { fwrite(STDOUT, "$this->name ends, ".json_encode($GLOBALS['number'] ?? null)."\n"); } }
$keeps = new Ends('process');
lanes(['A' => function () { $GLOBALS['number'] = 1; $GLOBALS['keeps'] = new Ends('A'); usleep(1000); return 'done'; }, 'B' => function () { $GLOBALS['number'] = 2; $GLOBALS['keeps'] = new Ends('B'); return 'done'; }], cloned: false, fresh: true);

// What a template cannot copy.
echo json_encode(KQueue\Engine::template(function () { $GLOBALS['file'] = fopen(__FILE__, 'r'); (function () { })(); remember(fopen(__FILE__, 'r')); })['refused'], JSON_UNESCAPED_UNICODE), "\n";
function remember($what) { static $kept; $kept = $what; }
echo "end\n";
?>
--EXPECT--
A: [[],[1,["A"],"A",{"deep":["A"]},"processA",{"q":"A"},false],false,4,null,1,1]
BB: [[],[2,["BB"],"BB",{"deep":["BB"]},"processBB",{"q":"BB"},false],false,4,null,1,1]
CCC: [[],[3,["CCC"],"CCC",{"deep":["CCC"]},"processCCC",{"q":"CCC"},false],false,4,null,1,1]
refused: [], destructors: []
A: [["fromBoot","same","number","reference"],[1001,["A"],"A",{"deep":["A"]},"processA",{"q":"A"},false],false,3,[true,true,[1,2,"A"],"1"],1,1]
BB: [["fromBoot","same","number","reference"],[1002,["BB"],"BB",{"deep":["BB"]},"processBB",{"q":"BB"},false],false,3,[true,true,[1,2,"BB"],"1"],1,1]
CCC: [["fromBoot","same","number","reference"],[1003,["CCC"],"CCC",{"deep":["CCC"]},"processCCC",{"q":"CCC"},false],false,3,[true,true,[1,2,"CCC"],"1"],1,1]
[1,["process"],"process",["process"],false,false,"process",null,{"q":"process"}]
one: [true,7]
two: [[12,["two"],"two",{"deep":["two"]},"processtwotwotwotwo",{"q":"two"},false],false]
B ends, 2
A ends, 1
A: done
B: done
["$GLOBALS[file] → resource","remember() static $kept → & → resource"]
end
process ends, 1
