--TEST--
Cloned lanes begin from the template; neither the template nor the process changes with them
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class App
{
    public static ?App $instance = null;
    public static $list = [];
    public static int $number = 0;
    public static $untouched = 'declared';
    public array $bound = [];
    public function __construct(public string $name) {}
}
App::$instance = new App('process');
App::$number = 7;

template(function () {
    echo 'boot sees: ', App::$instance?->name ?? 'nothing', ' ', App::$number, "\n";
    App::$instance = new App('template');
    App::$instance->bound['self'] = App::$instance;
    App::$list = [App::$instance, 'config' => ['deep' => ['x' => 1]]];
    App::$number = 1;
});
echo 'the process: ', App::$instance->name, ' ', App::$number, "\n";

$jobs = [];
foreach (['A', 'B', 'C'] as $who) {
    $jobs[$who] = function () use ($who) {
        $start = [App::$instance->name, App::$number, App::$untouched, App::$list[0] === App::$instance, App::$instance->bound['self'] === App::$instance];
        App::$instance->name = $who;
        App::$list['config']['deep']['x'] = $who;
        App::$number += 10;
        usleep(5000);
        return [...$start, App::$instance->name, App::$list[0]->name, App::$list['config']['deep']['x'], App::$number];
    };
}
lanes($jobs, cloned: true, fresh: true);
echo 'the process: ', App::$instance->name, ' ', App::$number, ' ', json_encode(App::$list), "\n";

// A template is for one run. What boot throws comes out; an exit is an error.
try {
    KQueue\Engine::run(fn () => 1, 1, true);
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
foreach ([fn () => throw new DomainException('cannot boot'), function () { exit; }, 'no_such_function'] as $boot) {
    try {
        KQueue\Engine::template($boot);
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}
echo 'the process: ', App::$instance->name, "\n";

// A lane that is reused keeps its state, as a worker does.
template(function () { App::$number = 100; });
$count = function () { usleep(100); return ++App::$number; };
lanes(['first' => $count, 'second' => $count, 'third' => $count], cloned: true, concurrency: 1);

$audit = KQueue\Engine::template(function () { App::$instance = new App('counted'); App::$list = [fn () => 1, [1, 2, App::$instance], range(1, 50)]; });
echo implode(' ', array_keys($audit)), "\n";
echo "objects $audit[objects], closures $audit[closures], arrays $audit[arrays], ", $audit['bytes'] > 100 && $audit['seconds'] < 10 ? 'plausible' : 'strange', "\n";
?>
--EXPECT--
boot sees: nothing 0
refused: [], destructors: []
the process: process 7
A: ["template",1,"declared",true,true,"A","A","A",11]
B: ["template",1,"declared",true,true,"B","B","B",11]
C: ["template",1,"declared",true,true,"C","C","C",11]
the process: process 7 []
lanes can be cloned only after template()
DomainException: cannot boot
KQueue\Exception\EngineError: booting the template was ended by exit()
Error: not callable: function "no_such_function" not found or invalid function name
the process: process
refused: [], destructors: []
first: 101
second: 102
third: 103
objects closures arrays shared_arrays bytes seconds refused destructors
objects 1, closures 1, arrays 2, plausible
