--TEST--
What a file leaves that a lane includes first is every lane's, if it declares something; a file that declares nothing runs in each
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

$folder = sys_get_temp_dir().'/kqueue-includes-'.getmypid();
mkdir($folder);
$write = fn (string $name, string $code) => file_put_contents("$folder/$name.php", "<?php $code");

// Below its class: as OpenTelemetry's and nusoap's do.
$write('Initialised', 'class Initialised { public static $list = []; public static ?Thing $thing = null; public static $again; public static $closure; static function add($x) { self::$list[] = $x; return count(self::$list); } }
    Initialised::add("first"); Initialised::$thing = new Thing; Initialised::$again = Initialised::$thing; Initialised::$closure = fn () => count(Initialised::$list);');
$write('Thing', 'class Thing { public $value = 0; } final class Other { public static $made; } Other::$made = "by the file of Thing";');
$write('Child', 'class Child extends Initialised { public static $own = 1; } Child::$own = 2; Child::add("by the child\'s file");');
$write('functions', 'function counts() { static $n = 5; return ++$n; } counts(); return ["from" => "functions"];');
$write('constant', 'define("FROM_A_FILE", 1); return "constant";');
$write('macros', 'App::$macros["m"] = "in this lane"; return 7;');
$write('inner', 'require_once __DIR__."/functions.php"; require_once __DIR__."/macros.php"; App::$inner++;');
$write('throws', 'class Thrower { public static $set = 0; } Thrower::$set = 1; throw new DomainException("in a file");');
$write('late', 'if (true) { class Late { public static $value; } } Late::$value = "late"; return new ArrayObject;');
$write('waits', 'usleep(2000); class Waits { public static $done = false; } usleep(2000); Waits::$done = true; touch(__DIR__."/waited");');
$until = function (string $mark) use ($folder) { for ($i = 0; ! is_file("$folder/$mark") && $i < 5000; $i++) { usleep(1000); clearstatcache(); } };
$write('private', 'return $this->secret.self::hidden();');
$write('entangled', 'class Entangled { public static $app; } Entangled::$app = App::$instance;');
$write('wrapper', 'class Wrapper { public $context; function stream_open() { return true; } function stream_read($n) { return ""; } function stream_eof() { return true; } function stream_stat() { return []; } }
    stream_wrapper_register("lanes", Wrapper::class); spl_autoload_register(function ($class) { $class === "Conjured" && eval("class Conjured {}"); });');
spl_autoload_register(function ($class) use ($folder) { is_file("$folder/$class.php") && require "$folder/$class.php"; });

class App { public $bound = []; public static $switch = false; public static $macros = []; public static $inner = 0; public static ?App $instance = null; }
class Includes { private $secret = 's'; private static function hidden() { return 'h'; } function go($folder) { return require "$folder/private.php"; } }
App::$instance = new App;
template(null);

$job = fn (string $who) => function () use ($who, $folder) {
    $r = [
        Initialised::add($who), Initialised::$list, Initialised::$thing === Initialised::$again, Initialised::$thing->value++, (Initialised::$closure)(),
        Child::$own++, Child::$list === Initialised::$list, Other::$made,
        (require_once "$folder/functions.php"), counts(),
        (require "$folder/constant.php"), FROM_A_FILE,
        (require_once "$folder/inner.php"), (require_once "$folder/inner.php"), App::$inner, App::$macros, (require_once "$folder/macros.php"),
        in_array("$folder/macros.php", get_included_files()),
    ];
    try { require_once "$folder/throws.php"; } catch (DomainException $e) { $r[] = $e->getMessage().' '.basename($e->getFile()).' '.basename($e->getTrace()[0]['function']); }
    $r[] = Thrower::$set;
    $r[] = get_debug_type(require "$folder/late.php");
    $r[] = Late::$value;
    Late::$value = $who;
    $r[] = (new Includes)->go($folder);
    $r[] = @include "$folder/nowhere.php";
    usleep(1000);
    $r[] = counts();
    $r[] = Initialised::$list;
    return $r;
};
lanes(['A' => $job('A'), 'B' => $job('B'), 'C' => $job('C')], cloned: true, fresh: true);
template(null);
set_error_handler(fn ($level, $message) => print str_replace($folder, '', $message)."\n");
$write('mixed', 'function mixed() {} App::$macros["mixed"] = fn () => 1; $GLOBALS["mixed"] = 1; App::$switch = true; App::$inner++; App::$instance->bound[] = fn () => 1;');
$write('harmless', 'class Harmless { public static $own; } Harmless::$own = fn () => 1; App::$inner++; App::$macros["text"] = "cached";');
lanes([
    'waits A' => fn () => [require_once "$folder/waits.php", Waits::$done],
    'waits B' => function () use ($folder, $until) { $until('waited'); return [require_once "$folder/waits.php", Waits::$done]; },
    'entangled A' => fn () => [require_once "$folder/entangled.php", Entangled::$app === App::$instance, touch("$folder/entangled")],
    'entangled B' => function () use ($folder, $until) { $until('entangled'); return [require_once "$folder/entangled.php", Entangled::$app]; },
    'mixed' => function () use ($folder) { require_once "$folder/mixed.php"; return basename(KQueue\Engine::usage()['effects']); },
    'harmless' => function () use ($folder) { require_once "$folder/harmless.php"; return KQueue\Engine::usage()['effects']; },
], cloned: true, fresh: true);
// Global variables that are new are every lane's, in which they are not there: nusoap keeps its settings in one.
$write('Globals', '$GLOBALS["level"] = (object) ["is" => 9]; global $same; $same = $GLOBALS["level"]; $GLOBALS["own"] = "of the file"; $GLOBALS["gone"] = 1; $GLOBALS["who"] .= "!"; class Globals { static function level() { return ++$GLOBALS["level"]->is; } }');
$write('Objects', 'class Objects {} $GLOBALS["object"] = App::$instance;');
template(null);
lanes([
    'first' => function () use ($folder, $until) {
        $GLOBALS['who'] = 'first';
        $until('others');
        $r = [Globals::level(), $GLOBALS['own'], $GLOBALS['who'], KQueue\Engine::usage()['effects']];
        unset($GLOBALS['gone']);
        class_exists('Objects');
        touch("$folder/globals");
        usleep(2000);
        return [...$r, Globals::level(), isset($GLOBALS['gone']), isset($GLOBALS['object']), basename(KQueue\Engine::usage()['effects'])];
    },
    'second' => function () use ($folder, $until) {
        $GLOBALS['own'] = 'of second';
        touch("$folder/others");
        $until('globals');
        $r = [Globals::level(), $GLOBALS['same'] === $GLOBALS['level'], $GLOBALS['own'], $GLOBALS['gone'], isset($GLOBALS['who']), isset($GLOBALS['object'])];
        usleep(2000);
        return [...$r, Globals::level()];
    },
    'third' => function () use ($until) { $until('globals'); unset($GLOBALS['gone']); $r = [Globals::level(), $GLOBALS['own']]; usleep(2000); return [...$r, isset($GLOBALS['gone'])]; },
], cloned: true, fresh: true);
template(null);
lanes(['a lane later' => fn () => [Globals::level(), $GLOBALS['own'], isset($GLOBALS['who'])]], cloned: true, fresh: true);
// A wrapper and an autoloader of a file that declares something: the process's, also after its lane.
$uses = fn () => [in_array('lanes', stream_get_wrappers()), file_get_contents('lanes://x'), count(spl_autoload_functions())];
$counts = count(spl_autoload_functions());
template(null);
lanes([
    'there already' => function () use ($uses, $until, $folder) { touch("$folder/there"); $until('registered'); return $uses(); },
    'registers' => function () use ($folder, $until) { $until('there'); require_once "$folder/wrapper.php"; touch("$folder/registered"); return 'registered'; },
    'later' => function () use ($uses, $until) { $until('registered'); return [...$uses(), class_exists('Conjured')]; },
], cloned: true, fresh: true);
echo 'autoloaders before: ', $counts, "\n";
echo 'the process: ', json_encode([App::$macros, App::$inner, Initialised::$list, counts(), in_array("$folder/macros.php", get_included_files()), in_array("$folder/functions.php", get_included_files())]), "\n";
array_map(unlink(...), glob("$folder/*"));
rmdir($folder);
?>
--EXPECT--
refused: [], destructors: []
A: [2,["first","A"],true,0,2,2,true,"by the file of Thing",{"from":"functions"},7,"constant",1,1,true,1,{"m":"in this lane"},true,true,"in a file throws.php require_once",1,"ArrayObject","late","sh",false,8,["first","A","by the child's file"]]
B: [2,["first","B"],true,0,2,2,true,"by the file of Thing",true,7,"constant",1,1,true,1,{"m":"in this lane"},true,true,1,"int","late","sh",false,8,["first","B"]]
C: [2,["first","C"],true,0,2,2,true,"by the file of Thing",true,7,"constant",1,1,true,1,{"m":"in this lane"},true,true,1,"int","late","sh",false,8,["first","C"]]
refused: [], destructors: []
KQueue: /entangled.php was included first by a job, and what its code leaves cannot be handed to other jobs: Entangled::$app → App of the job's own application. Load the file as the application boots, or let jobs that need it run isolated.
KQueue: /mixed.php was included first by a job. It declares something, so it runs once in a process, but it changes App::$switch, App::$macros, App too, which other lanes do not get. Load the file as the application boots, or let jobs that need it run isolated.
waits A: [1,true]
waits B: [true,true]
entangled A: [1,true,true]
entangled B: [true,null]
mixed: mixed.php
harmless: 
refused: [], destructors: []
KQueue: /Objects.php was included first by a job, and what its code leaves cannot be handed to other jobs: $object → App of the job's own application. Load the file as the application boots, or let jobs that need it run isolated.
first: [10,"of the file","first!","",11,false,true,"Objects.php"]
second: [10,true,"of second",1,false,false,11]
third: [10,"of the file",false]
refused: [], destructors: []
a lane later: [10,"of the file",false]
refused: [], destructors: []
there already: [true,"",2]
registers: registered
later: [true,"",2,true]
autoloaders before: 1
the process: [[],0,["first"],7,false,true]
