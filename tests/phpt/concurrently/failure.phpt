--TEST--
concurrently(): the first failure cancels the others, and is thrown when they have ended; exit() ends the job
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/concurrently.inc';
use function KQueue\concurrently;
use KQueue\Exception\Cancelled;

$late = fn (int $ms, Throwable $error) => function () use ($ms, $error) { usleep($ms * 1000); throw $error; };
$log = new ArrayObject;
$endless = fn (string $name) => function () use ($name, $log) {
    try {
        for (;;) {
            sleep(30);
        }
    } catch (Cancelled $error) {
        $log[] = "$name: {$error->getMessage()}";
        throw $error;
    } finally {
        $log[] = "$name cleans up";
    }
};
$began = microtime(true);
job(fn () => concurrently([$endless('a'), $late(20, new DomainException('outer', 0, new LogicException('inner'))), $endless('b')]), name: 'chained');
echo implode("\n", (array) $log), "\n";

job(function () use ($late, $endless) {
    try {
        concurrently([$late(20, new DomainException('caught')), $endless('c')]);
    } catch (DomainException $error) {
        usleep(1000);    // the job itself is not cancelled
        return $error->getMessage().', then '.json_encode(concurrently([fn () => usleep(1000) ?? 1, fn () => 2]));
    }
}, name: 'the job goes on');

job(fn () => concurrently([$late(20, new DomainException('the first')), $late(30, new LogicException('cancelled before')), function () { try { sleep(30); } catch (Cancelled) { throw new LogicException('the second'); } }]), name: 'first of many');
job(fn () => concurrently([function () { try { sleep(30); } catch (Cancelled) { return 'as if nothing were'; } }, $late(20, new DomainException('not lost'))]), name: 'one returns');
job(fn () => concurrently([function () { for (;;) { try { sleep(30); } catch (Throwable) { } } }, $late(20, new DomainException('not kept alive'))]), name: 'one catches everything');
job(fn () => concurrently([$late(20, new DomainException('while it computes')), function () { for ($end = microtime(true) + 0.1; microtime(true) < $end;) { } sleep(30); }]), name: 'one computes');

$ran = 0;
job(fn () => concurrently([$late(0, new DomainException('the rest does not begin')), fn () => $GLOBALS['ran']++, fn () => $GLOBALS['ran']++], 1), name: 'limit');
echo "$ran began\n";
job(fn () => concurrently([fn () => concurrently([$endless('d'), $endless('e')]), $late(20, new DomainException('from outside'))]), name: 'nested, outer fails');
job(fn () => concurrently([fn () => concurrently([fn () => sleep(30), $late(20, new DomainException('from inside'))]), fn () => concurrently([$endless('f'), $endless('g')])]), name: 'nested, inner fails');
job(function () use ($late) {
    return concurrently([
        function () use ($late) { try { concurrently([$late(20, new DomainException('stays inside')), fn () => sleep(30)]); } catch (DomainException $error) { usleep(1000); return $error->getMessage(); } },
        fn () => usleep(60000) ?? 'unhurt',
    ]);
}, name: 'nested, caught');

job(fn () => concurrently([function () { usleep(20000); exit(3); }, $endless('h')]), name: 'exit');
job(function () use ($late) { try { concurrently([$late(5, new Error('gone')), fn () => sleep(30)]); } finally { usleep(1000); echo "finally waits\n"; } }, name: 'finally');
echo microtime(true) - $began < 15 ? 'in time' : 'late', "\n";
?>
--EXPECT--
chained: DomainException: outer <- LogicException: inner
a: another of the callables that run side by side has failed
a cleans up
b: another of the callables that run side by side has failed
b cleans up
the job goes on: caught, then [1,2]
first of many: DomainException: the first
one returns: DomainException: not lost
one catches everything: DomainException: not kept alive
one computes: DomainException: while it computes
limit: DomainException: the rest does not begin
0 began
nested, outer fails: DomainException: from outside
nested, inner fails: DomainException: from inside
nested, caught: ["stays inside","unhurt"]
exit: KQueue\Exception\JobExited: the job called exit(); return from it instead
finally waits
finally: Error: gone
in time
