--TEST--
An extension with globals that nobody knows is named once, as the first run begins; one without them, and those that are known, are not
--EXTENSIONS--
kqueue
--SKIPIF--
<?php
getenv('PHP_CONFIG') || exit('skip no PHP_CONFIG: whose headers?');
(string) shell_exec('command -v cc 2>&1') !== '' || exit('skip no C compiler here');
is_file(trim((string) shell_exec(escapeshellarg(getenv('PHP_CONFIG')).' --include-dir')).'/main/php.h') || exit('skip no headers of PHP here');
?>
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

// Three of one source: with no globals, with some that it declares, and with some that only its setting tells of.
$source = <<<'C'
#include "php.h"
#include "php_ini.h"
ZEND_BEGIN_MODULE_GLOBALS(own) char *setting; zend_long last; ZEND_END_MODULE_GLOBALS(own)
ZEND_DECLARE_MODULE_GLOBALS(own)
PHP_INI_BEGIN()
	STD_PHP_INI_ENTRY(TITLE ".setting", "", PHP_INI_ALL, OnUpdateString, setting, zend_own_globals, own_globals)
PHP_INI_END()
static PHP_MINIT_FUNCTION(own) { if (SETS) { REGISTER_INI_ENTRIES(); } return SUCCESS; }
static zend_module_entry own_module_entry = {
	STANDARD_MODULE_HEADER, TITLE, NULL, PHP_MINIT(own), NULL, NULL, NULL, NULL, "1",
	KEEPS ? sizeof(own_globals) : 0, KEEPS ? &own_globals : NULL, NULL, NULL, NULL, STANDARD_MODULE_PROPERTIES_EX
};
ZEND_GET_MODULE(own)
C;

$folder = sys_get_temp_dir().'/kqueue-unknown-'.getmypid();
mkdir($folder);
file_put_contents("$folder/source.c", $source);
$includes = trim(shell_exec(escapeshellarg(getenv('PHP_CONFIG')).' --includes'));
$options = [];
foreach (['plain' => '-DKEEPS=0 -DSETS=0', 'keeps' => '-DKEEPS=1 -DSETS=0', 'sets' => '-DKEEPS=0 -DSETS=1'] as $name => $defines) {
    echo shell_exec("cc -shared -fPIC -w $includes $defines -DTITLE='\"$name\"' -o $folder/$name.so $folder/source.c 2>&1");
    array_push($options, '-d', "extension=$folder/$name.so");
}
$code = <<<'PHP'
    set_error_handler(function ($level, $message) { echo "told: $message\n"; return true; });
    foreach ([1, 2] as $run) {
        $runtime = new KQueue\Runtime(isolated: 0);
        $runtime->dispatch(function () use ($run) { usleep(100); echo "run $run\n"; });
        $runtime->run();
    }
    foreach (['plain', 'keeps', 'sets'] as $name) {
        echo $name, ': ', json_encode(array_diff_key(KQueue\Engine::extensions()[$name], ['globals' => 0])), "\n";
    }
    PHP;
echo run_command(php_with_kqueue([], ...$options, ...['-d', 'display_errors=1', '-d', 'log_errors=0', '-d', 'html_errors=0', '-r', $code]))['output'];
array_map(unlink(...), glob("$folder/*"));
rmdir($folder);
?>
--EXPECT--
told: KQueue: these extensions keep state that all lanes of a process share, and KQueue does not know it: keeps, sets. Let jobs that use them run isolated ($isolated = true), or leave the extensions out.
run 1
run 2
plain: {"verdict":"unknown","reason":"it has no globals that could be found"}
keeps: {"verdict":"unknown","reason":"it has globals, and all lanes share them"}
sets: {"verdict":"unknown","reason":"it has globals, and all lanes share them"}
