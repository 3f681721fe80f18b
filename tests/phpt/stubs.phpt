--TEST--
stubs/kqueue.stub.php declares what is loaded: classes, members, functions, types, defaults
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/lib/php.inc';
require __DIR__.'/lib/describe.inc';

// The stubs are read by a PHP without the extension.
$output = run_command(php(__DIR__.'/lib/describe.inc', __DIR__.'/../../stubs/kqueue.stub.php'))['output'];
[$declared, $text] = json_decode($output) ?? exit($output);

$loaded = array_keys((new ReflectionExtension('kqueue'))->getClasses());
sort($loaded);
echo 'missing in the stubs: ', json_encode(array_values(array_diff($loaded, $declared))), "\n";
echo 'not loaded: ', json_encode(array_values(array_diff($declared, $loaded))), "\n";

$stubs = explode("\n", $text);
$real = explode("\n", describe_classes($loaded));
foreach (array_diff($real, $stubs) as $line) {
    echo "loaded: $line\n";
}
foreach (array_diff($stubs, $real) as $line) {
    echo "stubs:  $line\n";
}
$functions = array_keys((new ReflectionExtension('kqueue'))->getFunctions());
[, , $declared_functions] = json_decode($output);
foreach (array_diff(array_map('describe_function', $functions), $declared_functions) as $line) {
    echo "loaded, not in the stubs: $line\n";
}
echo count($functions), ' function, ', count($declared_functions), " in the stubs\n";
echo $text === describe_classes($loaded) ? "the same\n" : "different\n";
?>
--EXPECT--
missing in the stubs: []
not loaded: []
1 function, 1 in the stubs
the same
