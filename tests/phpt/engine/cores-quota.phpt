--TEST--
cores(): those that the quota of the process's control group allows
--SKIPIF--
<?php
require __DIR__.'/../lib/cgroup.inc';
if ((int) shell_exec('nproc') < 2) {
    die('skip there is one core only');
}
if (($group = group_with_quota(1)) === null) {
    die('skip no control group can be made here');
}
rmdir($group);
?>
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/php.inc';
require __DIR__.'/../lib/cgroup.inc';

$group = group_with_quota(1);
$asked = php_with_kqueue([], '-r', 'echo KQueue\Engine::cores();');
echo run_command(['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', $group, ...$asked])['output'], "\n";
// The kernel may see a moment later that the group is empty.
for ($i = 0; $i < 1000 && ! @rmdir($group); $i++) {
    usleep(10000);
}
?>
--EXPECT--
1
