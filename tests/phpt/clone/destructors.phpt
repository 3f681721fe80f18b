--TEST--
Destructors run once for each copy that a lane had, in the lane, and are listed by the audit
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

// All lanes write into one.
class Journal { public array $lines = []; public bool $over = false; }
#[AllowDynamicProperties]
class Ends { public function __construct(public $name, public Journal $journal) {} public function __destruct() { usleep(1000); $this->journal->lines[] = "$this->name sees ".App::$name; } }
class Other { public function __construct(public Journal $journal) {} public function __destruct() { $this->journal->lines[] = 'other'; } }
class App { public static $name = 'declared'; public static $one; public static $list = []; public static $cycle; }

$journal = new Journal;
template(function () use ($journal) {
    App::$name = 'template';
    App::$one = new Ends('one', $journal);
    App::$list = [App::$one, new Other($journal)];
    App::$cycle = new Ends('in a cycle', $journal);
    App::$cycle->self = App::$cycle;
}, [Journal::class]);
$journal->lines = [];
lanes(['A' => $job = function () { App::$name = 'lane'; usleep(100); return 1; }, 'B' => $job, 'C' => $job], cloned: true, fresh: true);
gc_collect_cycles();
$counts = array_count_values($journal->lines);
ksort($counts);
print_r($counts);
echo App::$name, "\n";
$journal->lines = [];

// One that throws, and one that loads a class and asks for a lane's service, as the lane ends.
class Throws { public function __construct(public Journal $journal) {} public function __destruct() { if (! $this->journal->over) { throw new Exception('from a destructor'); } } }
class Asks { public function __construct(public Journal $journal) {} public function __destruct() { $lines = &$this->journal->lines; try { $lines[] = 'state: '.KQueue\Engine::state()['role']; KQueue\Engine::finished(); } catch (Throwable $error) { $lines[] = $error->getMessage(); } eval('class Late'.count($lines).' { public static $x = 1; }'); } }
template(function () use ($journal) { App::$one = new Throws($journal); App::$list = [new Asks($journal), new Throws($journal)]; App::$cycle = null; }, [Journal::class]);
lanes(['A' => fn () => 1, 'B' => fn () => 2], cloned: true, fresh: true);
echo json_encode(array_count_values($journal->lines)), "\n";
$journal->over = true;
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
{"state: none":3}
end
