--TEST--
A lane does not wait in the middle of what the engine does with the process's own state; others go on after it
--EXTENSIONS--
kqueue
--FILE--
<?php
use KQueue\Engine;

require __DIR__.'/../lib/lanes.inc';

$folder = sys_get_temp_dir().'/kqueue-midway-'.getmypid();
mkdir($folder);
$write = fn (string $name, string $code) => file_put_contents("$folder/$name.php", "<?php $code");
foreach (['A', 'B', 'C'] as $who) {
    $write("compiled$who", "function compiled$who(\$optional = 1, \$required) { return '$who'; } class Compiled$who { function name(\$a = 1, \$b) { return __LINE__.self::class; } } return compiled$who(1, 2);");
}
class Base {}
class Waits { function __construct(public $value) {} function __toString(): string { usleep(1500); return $this->value; } }
define('WAITS', new Waits('constant'));
class Wrapper
{
    public $context;
    public static $opened = 0, $size = 0;
    function stream_open($path) { self::$opened++; usleep(1500); return str_ends_with($path, 'there'); }
    function stream_read($n) { usleep(500); return ''; }
    function stream_eof() { return true; }
    function stream_stat() { return []; }
    function url_stat() { usleep(1000); return ['mode' => 0100000 | 0644, 'size' => self::$size] + array_fill_keys(['dev', 'ino', 'nlink', 'uid', 'gid', 'rdev', 'atime', 'mtime', 'ctime', 'blksize', 'blocks'], 0); }
    function dir_opendir() { usleep(1500); return true; }
    function dir_readdir() { return false; }
    function dir_closedir() { return true; }
}
stream_wrapper_register('waits', Wrapper::class);

set_error_handler(function ($level, $message) use ($folder) {
    usleep(1500);
    file_put_contents("$folder/told", preg_replace('/.*(Optional parameter|Return type|recursion|call failed).*/s', '$1', $message)."\n", FILE_APPEND);
    usleep(1500);
    return true;
});
$jobs = function (callable $job) {
    Engine::template(null);
    $each = [];
    foreach (['A', 'B', 'C'] as $who) {
        $each[$who] = fn () => $job($who);
    }
    lanes($each, cloned: true, fresh: true);
};


echo "-- compiled\n";
$jobs(fn ($who) => [include "$folder/compiled$who.php", (new ("Compiled$who"))->name(1, 2)]);
echo "-- evaluated\n";
$jobs(fn ($who) => [eval("function evaluated$who(\$optional = 1, \$required) { return '$who'; } return evaluated$who(1, 2);"), usleep(1000)]);
echo "-- linked\n";
// Its parent is not there as the code is compiled, so the class is linked as the code runs.
$jobs(fn ($who) => class_exists('Linked', false) ? new Linked instanceof Base : eval('if (true) { class Linked extends Base implements IteratorAggregate { function getIterator() { return new ArrayIterator([]); } } } return new Linked instanceof Base;'));
echo "-- constants\n";
$sums = 'class Sums { const PARTS = [1]; const SUM = WAITS."|"; const AGAIN = self::SUM.self::SUM; public $property = self::AGAIN; public static $static = self::AGAIN; }';
$jobs(fn ($who) => [class_exists('Sums', false) || eval($sums), Sums::AGAIN, (new Sums)->property, Sums::$static]);
echo "-- array_multisort\n";
$jobs(function ($who) {
    $first = [new Waits("$who 3"), new Waits("$who 1"), new Waits("$who 2")];
    $second = $third = [1, 2, 3];
    match ($who) {
        'A' => array_multisort($first, SORT_STRING, $second, SORT_DESC, $third),
        'B' => array_multisort($first, SORT_DESC, SORT_STRING, $second),
        'C' => array_multisort($first, SORT_STRING),
    };
    return [array_map(fn ($each) => $each->value, $first), $second, $third];
});
echo "-- the same path\n";
$jobs(fn ($who) => [file_get_contents('waits://there'), @fopen('waits://not', 'r'), get_debug_type(opendir('waits://there')), Wrapper::$opened]);
echo "-- what is known of a path\n";
$jobs(function ($who) {
    Wrapper::$size = ord($who);
    $sizes = [filesize('waits://there')];
    usleep(1000);
    return [...$sizes, filesize('waits://there')];
});
echo "-- told\n";
print_r(array_count_values(file("$folder/told", FILE_IGNORE_NEW_LINES)));
array_map(unlink(...), glob("$folder/*"));
rmdir($folder);
?>
--EXPECT--
-- compiled
A: ["A","1CompiledA"]
B: ["B","1CompiledB"]
C: ["C","1CompiledC"]
-- evaluated
A: ["A",null]
B: ["B",null]
C: ["C",null]
-- linked
A: true
B: true
C: true
-- constants
A: [false,"constant|constant|","constant|constant|","constant|constant|"]
B: [true,"constant|constant|","constant|constant|","constant|constant|"]
C: [true,"constant|constant|","constant|constant|","constant|constant|"]
-- array_multisort
A: [["A 1","A 2","A 3"],[2,3,1],[2,3,1]]
B: [["B 3","B 2","B 1"],[1,3,2],[1,2,3]]
C: [["C 1","C 2","C 3"],[1,2,3],[1,2,3]]
-- the same path
A: ["",false,"resource (stream)",2]
B: ["",false,"resource (stream)",2]
C: ["",false,"resource (stream)",2]
-- what is known of a path
A: [65,65]
B: [66,66]
C: [67,67]
-- told
Array
(
    [Optional parameter] => 9
    [Return type] => 1
    [call failed] => 3
)
