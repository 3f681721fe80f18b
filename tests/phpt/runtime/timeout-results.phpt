--TEST--
A timeout between a call and what takes its result: the result is freed, and @ is over
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
function used(): float
{
    $use = getrusage();

    return $use['ru_utime.tv_sec'] + $use['ru_utime.tv_usec'] / 1e6;
}
// The deadline passes during this call, and is looked at after it. The 2 MB that it returns are nobody's then.
$much = 1;
do {
    $much *= 2;
    $before = used();
    hash_pbkdf2('sha256', 'password', 'salt', $much, 1 << 21);
} while (used() - $before < 0.1);

$function = new ReflectionFunction('hash_pbkdf2');
$object = new stdClass;
$class = 'ArrayObject';
$jobs = [];
foreach ([
    'return' => 'return CALL;',
    'variable' => '$text = CALL; return strlen($text);',
    'nothing' => 'CALL; return 1;',
    'silenced' => 'return @CALL;',
    'property' => '$object->text = CALL;',
    'element' => '$list = []; $list["$much"] = CALL;',
    'array' => 'return [CALL, 1];',
    'end of an array' => 'return [1, CALL];',
    'concatenation' => 'return CALL."x";',
    'end of a concatenation' => 'return str_repeat("$much", 1 << 20).CALL;',
    'interpolation' => 'return "$much $much {$function->invoke("sha256", "password", "salt", $much, 1 << 21)} $much";',
    'end of an interpolation' => 'return "$much $much {$function->invoke("sha256", "password", "salt", $much, 1 << 21)}";',
    'condition' => 'return CALL ? 1 : 2;',
    'or' => 'return CALL ?: 2;',
    'match' => 'return match (CALL) { "x", "y", "z" => 1, default => 2 };',
    'loop' => 'foreach (array_map(fn () => CALL, [1]) as $text) { }',
    'list' => '["a" => $a] = array_map(fn () => CALL, ["a" => 1]);',
    'offset' => 'return array_fill(0, 9, str_repeat("$much", 100))[CALL];',
    'name of a method' => 'return $class::{CALL}();',
] as $name => $code) {
    $code = strtr($code, ['CALL' => 'hash_pbkdf2("sha256", "password", "salt", $much, 1 << 21)']);
    $jobs[$name] = eval("return function () use (\$much, \$function, \$object, \$class) { $code };");
}

$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$ended = $grown = [];
$runtime->onFinished(function ($id, $result) use (&$ended) { $ended[] = 'in time'; });
$runtime->onFailed(function ($id, $error) use (&$ended) { $ended[] = get_class($error); });
foreach ($jobs as $name => $job) {
    for ($round = 0; $round < 2; $round++) {
        $before = memory_get_usage();
        $runtime->dispatch($job, timeout: 0.03);
        $runtime->run();
        unset($object->text);
        if ($round && memory_get_usage() - $before > 1 << 19) {
            $grown[] = $name;
        }
    }
}
echo implode(', ', array_unique($ended)), ', grown: ', implode(', ', $grown) ?: 'none', "\n";

$runtime->dispatch(function () use ($much) {
    try {
        $text = @hash_pbkdf2('sha256', 'password', 'salt', $much, 1 << 21);
    } catch (KQueue\Exception\JobTimedOut $error) {
        $GLOBALS['level'] = error_reporting();
        throw $error;
    }
}, timeout: 0.03);
$runtime->run();
echo end($ended), ', ', $level === error_reporting() ? 'the same errors' : "errors: $level", "\n";
?>
--EXPECT--
KQueue\Exception\JobTimedOut, grown: none
KQueue\Exception\JobTimedOut, the same errors
