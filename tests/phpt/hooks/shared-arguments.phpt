--TEST--
What a lane is told of a connection that another uses may come between the arguments of a call: only what has been passed is freed
--EXTENSIONS--
kqueue
--FILE--
<?php
set_error_handler(fn () => true);
final class Kept
{
    public static int $freed = 0;
    public function __construct(...$arguments) { }
    public function __destruct() { self::$freed++; }
    public function take(...$arguments) { }
}
function take(...$arguments) { }

$object = new Kept;
$held = WeakReference::create($object);
$jobs = [];
// Before each, the place of the argument has what was there in the call before.
foreach ([
    'only one' => 'strlen(CALL)',
    'the second' => 'str_contains("x", CALL)',
    'after another object' => 'spl_object_id($object) + max($object, CALL)',
    'the first of two' => 'str_contains(CALL, "x")',
    'in one within another' => 'strlen(trim(CALL))',
    'named' => 'strlen(string: CALL)',
    'of what is called by its name' => '$strlen(CALL)',
    'of a function' => 'take($object, CALL)',
    'of a method' => '$object->take($object, CALL)',
    'of a constructor' => 'new ArrayObject([$object, CALL])',
    'of a class of ours' => 'spl_object_id(new Kept($object, CALL))',
    'unpacked' => 'take($object, ...array_map(fn () => CALL, [1]))',
    'unpacked at once' => 'take($object, ...$read->invokeArgs([$near, 1]))',
    'in an array' => 'call_user_func_array("take", $read->invokeArgs([$near, 1]))',
    'for the user' => 'call_user_func("take", $object, CALL)',
    'by reference' => 'end($read->invoke($near, 1))',
    'after a condition' => 'take($object, $near ? CALL : 1)',
] as $name => $code) {
    $jobs[$name] = eval('return function ($object, $near, $read, $strlen) { spl_object_id($object); '.strtr($code, ['CALL' => 'fread($near, 1)']).'; for ($i = 0; $i < 9; $i++) { } };');
}

$told = [];
[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$read = new ReflectionFunction('fread');
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(fn () => fread($near, 1));
$runtime->dispatch(function () use ($jobs, $object, $near, $far, $read, &$told) {
    foreach ($jobs as $name => $job) {
        for ($round = 0; $round < 3; $round++) {
            try {
                $job($object, $near, $read, 'strlen');
                $told[$name] = 'not told';
            } catch (KQueue\Exception\ConnectionShared) {
                $told[$name] ??= 'told';
            }
        }
    }
    fwrite($far, 'x');
});
$runtime->run();
$runtime = null;
echo json_encode(array_filter($told, fn ($what) => $what !== 'told')), ' of ', count($told), ', freed: ', Kept::$freed, "\n";
$object = null;
gc_collect_cycles();
echo 'freed: ', Kept::$freed, ', ', json_encode($held->get()), "\n";
?>
--EXPECT--
[] of 17, freed: 0
freed: 1, null
