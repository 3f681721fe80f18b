--TEST--
What all lanes of a process share, as it is documented
--EXTENSIONS--
kqueue
mbstring
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

/** Runs two jobs: one changes, the other looks meanwhile and after the change's lane has ended. */
function shared(string $what, callable $change, callable $look): void
{
    $seen = [];
    $shared = new ArrayObject;
    ob_start();
    lanes([
        'changes' => function () use ($change, $shared) { $change(); while (count($shared) < 2) { usleep(100); } },
        'looks' => function () use ($look, $shared) { $shared[] = $look(); usleep(500); $shared[] = $look(); usleep(20000); $shared[] = $look(); },
    ], cloned: false, fresh: true);
    ob_end_clean();
    echo $what, ': ', json_encode($shared->getArrayCopy()), "\n";
}

shared('constants', fn () => define('LATE', 1), fn () => defined('LATE'));
shared('classes', fn () => eval('class LateClass {}'), fn () => class_exists('LateClass', false));
shared('functions', fn () => eval('function late_function() {}'), fn () => function_exists('late_function'));
shared('included files', fn () => include __DIR__.'/../lib/php.inc', fn () => in_array(realpath(__DIR__.'/../lib/php.inc'), get_included_files()));
// Autoloaders serve all while their lane lives.
shared('autoloaders', fn () => spl_autoload_register(function ($class) { if ($class === 'Asked') { eval('class Asked {}'); } }), fn () => [count(spl_autoload_functions()), class_exists('Asked')]);
shared('stream filters', function () { class F extends php_user_filter {} stream_filter_register('late', 'F'); }, fn () => in_array('late', stream_get_filters()));
shared('a raised memory limit', fn () => ini_set('memory_limit', '900M'), fn () => ini_get('memory_limit'));
?>
--INI--
memory_limit=600M
--EXPECT--
constants: [true,true,true]
classes: [true,true,true]
functions: [true,true,true]
included files: [true,true,true]
autoloaders: [[1,true],[1,true],[0,true]]
stream filters: [true,true,true]
a raised memory limit: ["900M","900M","900M"]
