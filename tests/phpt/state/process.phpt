--TEST--
Lanes begin as forks of the process would: what PHP does once per process is in each of them, and the process keeps its own
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

final class App
{
    public static ?App $instance = null;
    public static array $bound = [];
    public array $log = [];
}
final class Macros { public static array $macros = []; }
function counter(): int { static $count = 0; return ++$count; }
function remember(?object $new = null): ?object { static $kept = null; return $kept = $new ?? $kept; }

// A file that is required once, as a provider does with its macros, and what its code leaves.
$file = tempnam(sys_get_temp_dir(), 'once');
file_put_contents($file, '<?php Macros::$macros["shout"] = strtoupper(...); App::$bound["macros"] = function () { return $this; }; $GLOBALS["set"] = App::$instance;');
App::$instance = new App;
require_once $file;
counter();
remember(App::$instance);
$alias = &App::$bound;
$handlers = new class (App::$instance) {
    public function __construct(public App $app) {}
    public function handle(int $level, string $message): bool { $this->app->log[] = $message; return true; }
};
set_error_handler(fn (int $level, string $message) => print "set aside: $message\n");
set_error_handler([$handlers, 'handle']);
register_shutdown_function(function (App $app) { $app->log && print('the end: '.implode(' ', $app->log).' '.json_encode($app === App::$instance)."\n"); }, App::$instance);

template(null);
App::$instance->log[] = 'only the process';
counter();

$job = fn (string $who) => function () use ($who, $file) {
    require_once $file;
    trigger_error($who);
    $began = [
        (Macros::$macros['shout'])('a'), isset(App::$bound['macros']), $GLOBALS['set'] === App::$instance, counter(), remember() === App::$instance,
        $GLOBALS['handlers']->app === App::$instance, isset($GLOBALS['file']),
    ];
    usleep(3000);
    $GLOBALS['alias'][$who] = true;
    Macros::$macros[$who] = strlen(...);
    usleep(3000);
    restore_error_handler();
    trigger_error("$who again");
    return [...$began, array_keys(App::$bound), array_keys(Macros::$macros), App::$instance->log];
};
lanes(['A' => $job('A'), 'B' => $job('B')], cloned: true, fresh: true);

trigger_error('process');
echo 'the process: ', json_encode([array_keys(App::$bound), array_keys(Macros::$macros), counter(), App::$instance->log]), "\n";

// Nothing is made of a process that holds what cannot be copied, and nothing of it is touched.
App::$bound['open'] = fopen(__FILE__, 'r');
template(null);
try {
    KQueue\Engine::run(fn () => 1, 1, true);
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
echo fgets(App::$bound['open']);
unlink($file);
?>
--EXPECT--
refused: [], destructors: []
set aside: A again
the end: A true
set aside: B again
the end: B true
A: ["A",true,true,2,true,true,true,["macros","A"],["shout","A"],["A"]]
B: ["A",true,true,2,true,true,true,["macros","B"],["shout","B"],["B"]]
the process: [["macros"],["shout"],3,["only the process","process"]]
refused: ["App::$bound → & → [open] → resource"], destructors: []
lanes can be cloned only after template()
<?php
the end: only the process process true
