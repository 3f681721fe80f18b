--TEST--
concurrently(): the job's deadline ends all of its callables, whether they wait, compute, nest or have not begun
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/concurrently.inc';
use function KQueue\concurrently;

$log = new ArrayObject;
$waits = fn () => function () use ($log) { try { sleep(30); } catch (Throwable $error) { $log[get_class($error)] = ($log[get_class($error)] ?? 0) + 1; throw $error; } };
$began = microtime(true);
job(fn () => concurrently(array_map(fn () => $waits(), range(1, 20))), 0.2, 'waiting');
job(fn () => concurrently([$waits(), fn () => concurrently([$waits(), fn () => concurrently([$waits(), $waits()])])]), 0.2, 'nested');
job(fn () => concurrently([$waits(), function () { for (;;) { } }]), 0.2, 'computing');
job(fn () => concurrently([function () { usleep(1000); for (;;) { } }, $waits(), fn () => $GLOBALS['never'] = true], 2), 0.2, 'computing, one not begun');
job(fn () => concurrently([function () { for (;;) { try { sleep(30); } catch (Throwable) { } } }, $waits()]), 0.2, 'catching everything');
job(fn () => concurrently([function () { usleep(1000); for (;;) { try { for (;;) { } } catch (Throwable) { } } }, $waits()]), 0.2, 'catching everything, computing');
job(function () use ($waits) { try { concurrently([$waits(), $waits()]); } catch (Throwable) { for (;;) { } } }, 0.2, 'the job catches it and computes');
job(function () use ($waits) { try { concurrently([$waits(), $waits()]); } catch (Throwable) { concurrently([fn () => usleep(1000), fn () => usleep(1000)]); return 'not reached'; } }, 0.2, 'the job catches it and goes on');
job(fn () => concurrently([function () { try { sleep(30); } catch (Throwable) { return 1; } }, function () { try { sleep(30); } catch (Throwable) { return 2; } }]), 0.2, 'they catch it and return');
job(fn () => concurrently([fn () => usleep(1000) ?? 1, fn () => 2]), 5.0, 'in time');
echo json_encode((array) $log), ', ', isset($never) ? 'one too many began' : 'no other began', ', ', microtime(true) - $began < 12 ? 'in time' : 'late', "\n";

// Neighbours.
$runtime = new KQueue\Runtime(isolated: 0);
$results = [];
$runtime->onFinished(function ($id, $result) use (&$results) { $results[$id] = $result; });
$runtime->onFailed(function ($id, $error) use (&$results) { $results[$id] = get_class($error); });
for ($i = 0; $i < 4; $i++) {
    $runtime->dispatch(fn () => array_sum(concurrently(array_fill(0, 5, function () use ($i) { usleep(300000); return $i; }))), timeout: $i % 2 ? 0.1 : 20.0);
}
$runtime->run();
ksort($results);
echo json_encode($results), "\n";
?>
--EXPECT--
waiting: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
nested: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
computing: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
computing, one not begun: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
catching everything: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
catching everything, computing: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
the job catches it and computes: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
the job catches it and goes on: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
they catch it and return: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
in time: [1,2]
{"KQueue\\Exception\\JobTimedOut":32}, no other began, in time
{"1":0,"2":"KQueue\\Exception\\JobTimedOut","3":10,"4":"KQueue\\Exception\\JobTimedOut"}
