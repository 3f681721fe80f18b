--TEST--
A timeout between the arguments of a call frees only what has been passed
--EXTENSIONS--
kqueue
--FILE--
<?php
final class Kept
{
    public static int $freed = 0;
    public function __destruct() { self::$freed++; }
}
$kept = [];
$ended = [];
$runtime = new KQueue\Runtime(concurrency: 1, isolated: 0);
$runtime->onFailed(function ($id, $error) use (&$ended) { $ended[get_class($error)] = 1 + ($ended[get_class($error)] ?? 0); });
for ($i = 0; $i < 20; $i++) {
    $object = $kept[] = new Kept();
    // The place of the argument keeps what was there in the call before.
    $runtime->dispatch(function () use ($object) { for ($i = 0; ; $i++) { spl_object_id($object); abs($i & 1 ? $i : -$i); } }, timeout: 0.01);
    $runtime->dispatch(function () use ($object) { spl_object_id($object); abs(sleep(1)); }, timeout: 0.01);
    $runtime->dispatch(function () use ($object) {
        $numbers = (function () { for ($i = 0; ; $i++) { yield $i; } })();
        for (;;) { spl_object_id($object); max($numbers->current(), 1, $numbers->next()); }
    }, timeout: 0.01);
}
unset($object);
$runtime->run();
echo json_encode($ended), ', freed: ', Kept::$freed, "\n";
$runtime = null;
$kept = [];
echo 'freed: ', Kept::$freed, "\n";
?>
--EXPECT--
{"KQueue\\Exception\\JobTimedOut":60}, freed: 0
freed: 20
