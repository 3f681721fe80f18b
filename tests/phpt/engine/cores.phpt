--TEST--
cores(): those that the process may use by its affinity, and not all of the host
--SKIPIF--
<?php
if ((int) shell_exec('nproc') < 2) {
    die('skip there is one core only');
}
?>
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

$first = preg_replace('/^.*Cpus_allowed_list:\s*(\d+).*$/s', '$1', file_get_contents('/proc/self/status'));
$asked = php_with_kqueue([], '-r', 'echo KQueue\Engine::cores();');

echo KQueue\Engine::cores() <= (int) shell_exec('nproc') ? 'no more than there are' : KQueue\Engine::cores(), "\n";
echo run_command(['taskset', '-c', $first, ...$asked])['output'], "\n";
?>
--EXPECT--
no more than there are
1
