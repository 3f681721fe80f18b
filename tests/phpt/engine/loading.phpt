--TEST--
usage(): code that the process has not had yet is not held against the job that meets it first
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
use KQueue\Engine;

$folder = sys_get_temp_dir().'/kqueue-loading-'.getmypid();
mkdir($folder);

/** A lot to compile. */
function code(string $name): string
{
    $method = static fn (int $i): string => "function f$i(array \$a) { foreach (\$a as \$k => \$v) { \$b[\"\$k $i\"] = match (true) { \$v > 1 => [\$v => fn (\$x) => \$x + \$v], is_string(\$v) => strlen(\$v), default => \$v ?? self::class }; } return \$b; }";

    return "class $name { ".implode("\n", array_map($method, range(1, 3000))).' }';
}

foreach (['Small', 'First', 'Second', 'Third'] as $name) {
    file_put_contents("$folder/$name.php", '<?php '.($name === 'Small' ? 'class Small {}' : code($name)));
}
file_put_contents("$folder/template.php", '<?php return static fn () => new '.code('').';');
file_put_contents("$folder/template.php", str_replace('class  {', 'class {', file_get_contents("$folder/template.php")));
spl_autoload_register(static fn (string $class) => is_file("$folder/$class.php") && require "$folder/$class.php");

function spin(float $seconds): void
{
    for ($end = hrtime(true) + $seconds * 1e9; hrtime(true) < $end;) {
    }
}

$jobs = [
    'nothing' => function () { new Small; },
    'autoloads' => function () { new First; },
    'includes' => function () use ($folder) { require "$folder/Second.php"; },
    'loads, then works' => function () { new Third; spin(0.3); $GLOBALS['kept'] = str_repeat('x', 3 << 20); },
    'looks for what is not there' => function () { spl_autoload_register($slow = static fn () => spin(0.3)); class_exists('Nowhere'); spl_autoload_unregister($slow); },
    'template, first' => function () use ($folder) { require "$folder/template.php"; },
    'template, again' => function () use ($folder) { require "$folder/template.php"; },
];

$shared = (object) ['jobs' => $jobs, 'usage' => []];
Engine::run(static function () use ($shared) {
    while (Engine::lead()) {
        $name = array_key_first($shared->jobs);
        if ($name === null) {
            Engine::stop();
            continue;
        }
        $job = $shared->jobs[$name];
        unset($shared->jobs[$name]);
        Engine::reserved(['id' => $name, 'class' => 'test', 'connection' => '', 'queue' => '']);
        $job();
        Engine::finished();
        $shared->usage[$name] = Engine::usage();
    }
}, 1, false);
array_map(unlink(...), glob("$folder/*"));
rmdir($folder);

foreach ($shared->usage as $name => $usage) {
    if (getenv('KQUEUE_FIGURES')) {
        echo "$name: longest slice $usage[longest_slice], of the processor without loading $usage[longest_cpu], $usage[memory] bytes\n";
        continue;
    }
    // What is left is for a machine that is busy with others meanwhile.
    echo "$name: ", match ($name) {
        'nothing' => 'little',
        'loads, then works' => $usage['longest_cpu'] > 0.01 && $usage['memory'] >= 3 << 20 && $usage['memory'] < 4 << 20 ? 'its own work' : json_encode($usage),
        'looks for what is not there' => $usage['longest_cpu'] > 0.01 ? 'its own work' : json_encode($usage),
        'template, again' => $usage['longest_cpu'] > 0 && $usage['memory'] >= 3 << 20 ? 'its own work' : json_encode($usage),
        default => $usage['longest_cpu'] < $usage['longest_slice'] / 5 && $usage['memory'] < 1 << 20 ? 'all of it is loading' : json_encode($usage),
    }, "\n";
}
?>
--EXPECT--
nothing: little
autoloads: all of it is loading
includes: all of it is loading
loads, then works: its own work
looks for what is not there: its own work
template, first: all of it is loading
template, again: its own work
