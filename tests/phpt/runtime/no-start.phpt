--TEST--
A run that cannot start keeps what waits: jobs, isolated ones too, can be added, and run when there is room again
--EXTENSIONS--
kqueue
posix
--FILE--
<?php
final class Product
{
    public function __construct(private int $n) {}

    public function handle(): int
    {
        return $this->n * 2;
    }
}

$results = [];
$runtime = new KQueue\Runtime(concurrency: 3, isolated: 1);
$runtime->onFinished(function (int $id, mixed $result) use (&$results) { $results[] = $result; });
$runtime->dispatch(fn () => 'inline');
$runtime->dispatch(new Product(21), isolated: true);

// What a run opens as it starts: with no room at all, with room for a part of it, and so on.
$hard = posix_getrlimit()['hard openfiles'];
$open = count(scandir('/proc/self/fd')) - 3;
$failed = 0;
for ($room = 0; $room < 12 && $results === []; $room++) {
    posix_setrlimit(POSIX_RLIMIT_NOFILE, $open + $room, $hard === 'unlimited' ? -1 : $hard);
    try {
        // The self-test's own calls warn that there are no descriptors.
        @$runtime->run();
    } catch (KQueue\Exception\EngineError $error) {
        $failed++;
        $runtime->dispatch(fn () => 'added');
    }
}
posix_setrlimit(POSIX_RLIMIT_NOFILE, 1024, $hard === 'unlimited' ? -1 : $hard);
$runtime->run();

echo $failed > 1 ? 'it failed, ' : "it failed {$failed} times, ", count(array_keys($results, 'added')) === $failed ? 'and ran all' : 'and lost some', "\n";
$first = array_intersect(array_map(strval(...), $results), ['inline', '42']);
sort($first);
echo implode(' ', $first), "\n";
$runtime->dispatch(fn () => 'later');
$runtime->run();
echo end($results), "\n";
echo strtok($error->getMessage(), '.'), "\n";
?>
--EXPECT--
it failed, and ran all
42 inline
later
the event loop cannot start: Too many open files (os error 24)
