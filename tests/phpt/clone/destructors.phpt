--TEST--
Destructors run once for each copy, in the lane, and are listed by the audit
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

#[AllowDynamicProperties]
class Ends { public static $log = []; public function __construct(public $name) {} public function __destruct() { usleep(1000); $GLOBALS['ends'][] = "$this->name sees ".App::$name; } }
class Other { public function __destruct() { $GLOBALS['ends'][] = 'other'; } }
class App { public static $name = 'declared'; public static $one; public static $list = []; public static $cycle; }

template(function () {
    App::$name = 'template';
    App::$one = new Ends('one');
    App::$list = [App::$one, new Other];
    App::$cycle = new Ends('in a cycle');
    App::$cycle->self = App::$cycle;
});
$ends = [];
lanes(['A' => $job = function () { App::$name = 'lane'; usleep(100); return 1; }, 'B' => $job, 'C' => $job], cloned: true, fresh: true);
gc_collect_cycles();
$counts = array_count_values($ends);
ksort($counts);
print_r($counts);
echo App::$name, "\n";
$ends = [];

// One that throws, and one that loads a class and asks for a lane's service, as the lane ends.
class Throws { public function __destruct() { if (! $GLOBALS['over']) { throw new Exception('from a destructor'); } } }
$over = false;
class Asks { public function __destruct() { try { $GLOBALS['ends'][] = 'state: '.KQueue\Engine::state()['role']; KQueue\Engine::finished(); } catch (Throwable $error) { $GLOBALS['ends'][] = $error->getMessage(); } eval('class Late'.count($GLOBALS['ends']).' { public static $x = 1; }'); } }
template(function () { App::$one = new Throws; App::$list = [new Asks, new Throws]; App::$cycle = null; });
lanes(['A' => fn () => 1, 'B' => fn () => 2], cloned: true, fresh: true);
echo json_encode(array_count_values($ends)), "\n";
$over = true;
echo "end\n";
?>
--EXPECT--
refused: [], destructors: ["Ends","Other"]
A: 1
B: 1
C: 1
Array
(
    [in a cycle sees declared] => 4
    [one sees lane] => 3
    [one sees template] => 1
    [other] => 4
)
declared
refused: [], destructors: ["Asks","Throws"]
A: 1
B: 2
{"state: none":4,"Engine::finished() works inside a lane only":1}
end
