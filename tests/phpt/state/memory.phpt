--TEST--
Lanes that come and go leave nothing behind of their functions' variables, globals, settings and registrations
--EXTENSIONS--
kqueue
mbstring
--FILE--
<?php
use KQueue\Engine;

function remembers($what) { static $list = [], $object = null; $list[] = $what; $object ??= new ArrayObject([$what]); return count($list); }
class Keeps { public function method() { static $all = []; $all[] = $this; return count($all); } }
class Wrap { public $context; public function stream_open() { return true; } }
function lane(int $n): void
{
    remembers(str_repeat('x', 2000));
    $kept = new Keeps;
    $kept->method();
    $GLOBALS['big'] = range(1, 200);
    $GLOBALS['object'] = (object) ['self' => $kept];
    $_SERVER['x'] = str_repeat('y', 2000);
    ini_set('precision', (string) (3 + $n % 7));
    ini_set('user_agent', str_repeat('u', 500));
    date_default_timezone_set($n % 2 ? 'Asia/Tokyo' : 'UTC');
    mb_internal_encoding('ISO-8859-1');
    chdir('/proc');
    putenv('KQUEUE_MEMORY=x'.$n % 3);
    mt_srand($n);
    set_error_handler(fn () => true);
    @trigger_error("error $n");
    strtok('a b', ' ');
    register_shutdown_function(function () use ($kept) { remembers($kept); });
    spl_autoload_register(function () use ($kept) { return false; });
    stream_context_set_default(['http' => ['user_agent' => 'x']]);
}

$shared = (object) ['left' => 3000, 'marks' => []];
$run = static function () use ($shared): void {
    if (! Engine::lead()) {
        return;
    }
    if ($shared->left-- <= 0) {
        Engine::stop();

        return;
    }
    Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
    lane($shared->left);
    usleep(10);
    if ($shared->left % 100 === 0) {
        gc_collect_cycles();
        $shared->marks[] = memory_get_usage();
    }
    Engine::finished();
};
foreach ([false, true] as $cloned) {
    $shared->left = 3000;
    $shared->marks = [];
    if ($cloned) {
        Engine::template(fn () => lane(1));
    }
    Engine::run($run, 4, $cloned);
    $marks = array_slice($shared->marks, 5);
    $growth = max(array_slice($marks, -10)) - max(array_slice($marks, 0, 10));
    echo $growth < 60000 ? 'flat' : "grew by $growth bytes: ".json_encode($marks), "\n";
}
?>
--EXPECT--
flat
flat
