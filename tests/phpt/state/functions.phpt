--TEST--
Lanes have their own static variables of functions, methods and closures; those of the process stay as they are
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

function counter(int $by = 1): int { static $count = 0; return $count += $by; }
function remembers(?string $what = null) { static $list = ['declared'], $object = null; if ($what) { $list[] = $what; $object ??= (object) ['by' => $what]; } return [$list, $object?->by]; }
function &slot() { static $slot; return $slot; }
const BASE = 40;
function constant_default(): int { static $sum = BASE + 2; return $sum++; }
function recursive(int $depth): int { static $deepest = 0; $deepest = max($deepest, $depth); if ($depth < 5) { usleep(200); recursive($depth + 1); } return $deepest; }
function generates(int $times) { static $given = 0; for ($i = 0; $i < $times; $i++) { usleep(100); yield ++$given; } }
trait Counts { public function count(): int { static $count = 0; return ++$count; } public static function tally(): int { static $tally = 100; return ++$tally; } }
class Base { public function inherited(): int { static $calls = 0; return ++$calls; } public static function once(callable $make) { static $made = null; return $made ??= $make(); } private function hidden() { static $x = 0; return ++$x; } public function callHidden() { return $this->hidden(); } }
class Child extends Base { use Counts; }
class Sibling extends Base { use Counts; public function inherited(): int { static $calls = 50; return ++$calls + parent::inherited(); } }
abstract class Abs { abstract public function f(); public function g() { static $n = 'abstract'; return $n .= '.'; } }
if (true) {
    function conditional() { static $n = 7; return ++$n; }
    class Conditional extends Abs { public function f() { static $n = 0; return $n += 2; } }
}

function look(): array
{
    return [counter(0), remembers(), slot()];
}
function change(string $who): array
{
    remembers($who);
    $slot = &slot();
    $slot = $who;
    return [counter(strlen($who)), constant_default(), (new Child)->count(), (new Sibling)->count(), Child::tally(), Sibling::tally(), (new Base)->inherited(), (new Child)->inherited(), (new Sibling)->inherited(),
        Base::once(fn () => $who), Child::once(fn () => 'another'), (new Child)->callHidden(), conditional(), (new Conditional)->f(), (new Conditional)->g(), recursive(strlen($who)), ...iterator_to_array(generates(2), false)];
}

$closure = function () { static $calls = 0; return ++$calls; };
change('process');
$process = look();

foreach ([false, true] as $cloned) {
    if ($cloned) {
        template(function () { counter(1000); remembers('template'); (new Child)->count(); });
    }
    $jobs = [];
    foreach (['A', 'BB', 'CCC'] as $who) {
        $jobs[$who] = function () use ($who, $closure) {
            $before = look();
            $first = change($who);
            $mine = look();
            for ($i = 0; $i < 5; $i++) {
                usleep(1000);
                if (look() !== $mine) {
                    return 'changed by another: '.json_encode(look());
                }
            }
            $callable = counter(...);
            usleep(500);
            $mineAgain = $callable();
            // A closure is an object: it is shared if it is, with its variables.
            return json_encode([$before, $first, $mineAgain - $mine[0], $callable() - $mineAgain, change($who)]);
        };
    }
    lanes($jobs, cloned: $cloned, fresh: true);
}
echo look() === $process ? "the process's own are as they were" : json_encode(look()), "\n";
echo counter(), ' ', json_encode(change('process')), "\n";

// A function that a lane declares begins as declared in others, and in the process.
lanes([
    'declares' => function () { eval('function late() { static $n = 0; return ++$n; } class Late { function f() { static $n = 10; return ++$n; } }'); late(); late(); (new Late)->f(); usleep(3000); return [late(), (new Late)->f()]; },
    'waits' => function () { usleep(1500); return [late(), (new Late)->f()]; },
], cloned: false, fresh: true);
echo late(), ' ', (new Late)->f(), "\n";

// First-class callables: what a lane makes uses its variables, also when it outlives the lane; the lane's callable is made anew for it.
$kept = [];
lanes(['makes' => function () use (&$kept) { counter(5); $kept[] = counter(...); return counter(); }, 'after' => function () { return counter(); }], cloned: false, fresh: true, concurrency: 1);
gc_collect_cycles();
echo is_int($kept[0]()), ' ', counter(), "\n";
$report = new ArrayObject;
function lane(?ArrayObject $set = null): void
{
    static $runs = 0, $report = null;
    if ($set) {
        $report = $set;
        $runs = 70;
        return;
    }
    if (KQueue\Engine::lead()) {
        fwrite(STDOUT, 'run '.++$runs.' '.gettype($report)."\n");
        KQueue\Engine::stop();
    }
}
lane($report);
KQueue\Engine::run(lane(...), 1, false);

// In the template, callables of the template's function are the lane's in a lane.
class Keeps { public static $callable; public static $again; }
template(function () { counter(1); Keeps::$callable = counter(...); Keeps::$again = Keeps::$callable; });
$job = function () { $before = counter(0); (Keeps::$callable)(); usleep(500); return [$before, counter(0), (Keeps::$again)(0), Keeps::$again === Keeps::$callable]; };
lanes(['A' => $job, 'B' => $job], cloned: true, fresh: true);
?>
--EXPECT--
A: [[0,[["declared"],null],null],[1,42,1,1,101,101,1,2,54,"A","A",1,8,2,"abstract.",5,1,2],1,1,[4,43,2,2,102,102,4,5,58,"A","A",2,9,4,"abstract..",5,3,4]]
BB: [[0,[["declared"],null],null],[2,42,1,1,101,101,1,2,54,"BB","BB",1,8,2,"abstract.",5,1,2],1,1,[6,43,2,2,102,102,4,5,58,"BB","BB",2,9,4,"abstract..",5,3,4]]
CCC: [[0,[["declared"],null],null],[3,42,1,1,101,101,1,2,54,"CCC","CCC",1,8,2,"abstract.",5,1,2],1,1,[8,43,2,2,102,102,4,5,58,"CCC","CCC",2,9,4,"abstract..",5,3,4]]
refused: [], destructors: []
A: [[1000,[["declared","template"],"template"],null],[1001,42,2,1,101,101,1,2,54,"A","A",1,8,2,"abstract.",5,1,2],1,1,[1004,43,3,2,102,102,4,5,58,"A","A",2,9,4,"abstract..",5,3,4]]
BB: [[1000,[["declared","template"],"template"],null],[1002,42,2,1,101,101,1,2,54,"BB","BB",1,8,2,"abstract.",5,1,2],1,1,[1006,43,3,2,102,102,4,5,58,"BB","BB",2,9,4,"abstract..",5,3,4]]
CCC: [[1000,[["declared","template"],"template"],null],[1003,42,2,1,101,101,1,2,54,"CCC","CCC",1,8,2,"abstract.",5,1,2],1,1,[1008,43,3,2,102,102,4,5,58,"CCC","CCC",2,9,4,"abstract..",5,3,4]]
the process's own are as they were
8 [15,43,2,2,102,102,4,5,58,"process","process",2,9,4,"abstract..",7,3,4]
declares: [3,12]
waits: [1,11]
1 11
makes: 6
after: 1
1 16
run 1 NULL
refused: [], destructors: []
A: [1,2,2,true]
B: [1,2,2,true]
