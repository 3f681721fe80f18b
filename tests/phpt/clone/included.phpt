--TEST--
What a file leaves in its classes that a lane includes is not handed on if it cannot be copied, however deep that is
--EXTENSIONS--
fileinfo
pdo
pdo_sqlite
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

$folder = sys_get_temp_dir().'/kqueue-included-'.getmypid();
mkdir($folder);
$magic = var_export(__DIR__.'/../lib/magic', true);
file_put_contents("$folder/Inside.php", '<?php class Inside { public static $all; } Inside::$all = new ArrayObject(["pdo" => new PDO("sqlite::memory:")]);');
file_put_contents("$folder/Rules.php", "<?php class Rules { public static \$info; } Rules::\$info = [new finfo(FILEINFO_MIME, $magic)];");
file_put_contents("$folder/Weak.php", '<?php class Weak { public static $map; public static $key; public static $gone; public static $held; } Weak::$map = new WeakMap; Weak::$map[Weak::$key = new stdClass] = "kept"; Weak::$gone = WeakReference::create($GLOBALS["old"] = new stdClass); Weak::$held = WeakReference::create($GLOBALS["new"] = new stdClass);');
// What the file puts into this one is not handed on, but what it puts into a new one is.
$old = null;
spl_autoload_register(fn ($class) => is_file("$folder/$class.php") && require "$folder/$class.php");

template(null);
set_error_handler(fn ($level, $message) => print str_replace($folder, '', $message)."\n");
$seen = function () {
    return [Inside::$all === null ? null : get_class(Inside::$all), Rules::$info === null ? null : count(Rules::$info), count(Weak::$map), Weak::$map[Weak::$key], Weak::$gone->get(), Weak::$held->get() === $GLOBALS['new']];
};
lanes(['A' => fn () => array_slice($seen(), 0, 4), 'B' => $seen], cloned: true, fresh: true, concurrency: 1);
array_map(unlink(...), glob("$folder/*"));
rmdir($folder);
?>
--EXPECT--
refused: [], destructors: []
KQueue: /Inside.php was included first by a job, and what its code leaves cannot be handed to other jobs: Inside::$all → ArrayObject[pdo] → PDO. Load the file as the application boots, or let jobs that need it run isolated.
KQueue: /Rules.php was included first by a job, and what its code leaves cannot be handed to other jobs: Rules::$info → [0] → finfo (it cannot be copied as it is). Load the file as the application boots, or let jobs that need it run isolated.
A: ["ArrayObject",1,1,"kept"]
B: [null,null,1,"kept",null,true]