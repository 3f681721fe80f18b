--TEST--
The extension loads, defines its classes, and changes nothing else
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/lib/php.inc';

var_dump(extension_loaded('kqueue'));
echo preg_match('/^\d+\.\d+\.\d+/', phpversion('kqueue')) ? "has a version\n" : "no version\n";

$extension = new ReflectionExtension('kqueue');
foreach ($extension->getClasses() as $class) {
    $parent = $class->getParentClass();
    echo $class->isInterface() ? 'interface ' : 'class ', $class->name, $parent ? " extends $parent->name" : '', "\n";
}
echo 'functions: ', count($extension->getFunctions()), ', constants: ', count($extension->getConstants()), ', settings: ', count($extension->getINIEntries()), "\n";

foreach (['InvalidArgument', 'Unsupported', 'EngineError', 'JobTimedOut', 'ConnectionShared', 'JobExited', 'Cancelled', 'ChildDied', 'RemoteException'] as $name) {
    $class = "KQueue\\Exception\\$name";
    assert((new $class('why', 3)) instanceof KQueue\Exception\KQueueException);
    try {
        throw new $class('why', 3);
    } catch (KQueue\Exception\KQueueException $error) {
        assert($error->getMessage() === 'why' && $error->getCode() === 3 && $error->getLine() === __LINE__ - 2);
    }
}

echo "-r: ", json_encode(run_php('')), "\n";
echo "exit: ", json_encode(run_php('register_shutdown_function(fn () => print "end"); exit(7);')), "\n";

// All other functions and extensions are the same.
$list = 'echo count(get_defined_functions()["internal"]), " ", count(get_loaded_extensions());';
[$functions, $extensions] = explode(' ', run_command(php('-r', $list))['output']);
[$functions_with, $extensions_with] = explode(' ', run_php($list)['output']);
var_dump($functions_with - $functions, $extensions_with - $extensions);

// No thread and no signal handler in a program that does not use it.
$threads = 'echo count(glob("/proc/self/task/*")), " ", trim(preg_replace("/.*SigCgt:\s*(\w+).*/s", "$1", file_get_contents("/proc/self/status")));';
var_dump(run_php($threads)['output'] === run_command(php('-r', $threads))['output']);

echo preg_match('/KQueue => \d.*built for PHP => '.preg_quote(PHP_VERSION, '/').'/s', run_command(php_with_kqueue([], '--ri', 'kqueue'))['output']) ? "info\n" : "no info\n";
?>
--EXPECT--
bool(true)
has a version
interface KQueue\Exception\KQueueException
class KQueue\Exception\InvalidArgument extends InvalidArgumentException
class KQueue\Exception\Unsupported extends RuntimeException
class KQueue\Exception\EngineError extends RuntimeException
class KQueue\Exception\JobTimedOut extends RuntimeException
class KQueue\Exception\OutOfMemory extends RuntimeException
class KQueue\Exception\ConnectionShared extends RuntimeException
class KQueue\Exception\JobExited extends RuntimeException
class KQueue\Exception\Cancelled extends RuntimeException
class KQueue\Exception\ChildDied extends RuntimeException
class KQueue\Exception\RemoteException extends RuntimeException
class KQueue\Runtime
class KQueue\Engine
functions: 1, constants: 0, settings: 0
-r: {"status":0,"signal":0,"output":""}
exit: {"status":7,"signal":0,"output":"end"}
int(1)
int(1)
bool(true)
info
