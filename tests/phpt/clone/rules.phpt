--TEST--
Each internal class of the loaded extensions has a rule for its copies, and docs/isolation.md tells it
--EXTENSIONS--
kqueue
--SKIPIF--
<?php is_file(__DIR__.'/../../../docs/isolation.md') || exit('skip no documents here'); ?>
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

// All that there are, those first that others need.
$all = array_map(fn ($file) => basename($file, '.so'), glob(ini_get('extension_dir').'/*.so'));
$first = ['dom', 'mysqlnd', 'pdo', 'xml'];
$extensions = array_unique([...array_intersect($first, $all), ...array_diff($all, ['kqueue', 'opcache', 'xdebug'])]);
echo run_command(php_with_kqueue($extensions, __DIR__.'/../lib/rules.inc'))['output'];

// Nothing of an extension that nobody knows.
class Mine extends ArrayObject {}
class Plain implements ArrayAccess { use Nothing; }
trait Nothing { public function offsetGet($key): mixed {} public function offsetSet($key, $value): void {} public function offsetUnset($key): void {} public function offsetExists($key): bool {} }
echo KQueue\Engine::ruleOf('Mine')['rule'], ' ', KQueue\Engine::ruleOf('\MINE')['rule'], ' ', KQueue\Engine::ruleOf('Plain')['rule'], "\n";
try {
    KQueue\Engine::ruleOf('Absent');
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
all are told
state state properties
no class Absent is loaded
