--TEST--
stats() before, during and after a run
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--FILE--
<?php
function show(string $when, array $stats): void
{
    foreach (['memory', 'rss'] as $size) {
        assert(is_int($stats[$size]) && $stats[$size] > 100000);
        unset($stats[$size]);
    }
    $stats['suspensions'] = $stats['suspensions'] > 0 ? 'some' : 'none';
    $hooks = $stats['hooks'];
    unset($stats['hooks']);
    assert($hooks['mode'] === 'all' && ($hooks['slots'] > 20) === ($when === 'during' || $when === 'after') && $hooks['slots'] >= count($hooks['functions']));
    echo "$when: ", json_encode($stats), "\n";
}

$runtime = new KQueue\Runtime(concurrency: 2, isolated: 0);
show('new', $runtime->stats());
$runtime->onFailed(fn () => null);
$shown = false;
// With two lanes, the timer gets that of the first job, as it ends; the third one waits for it.
$runtime->dispatch(function () use ($runtime, &$shown) {
    usleep(20000);
    $runtime->after(0.0, function () use ($runtime, &$shown) { show('during', $runtime->stats()); $shown = true; });
});
$runtime->dispatch(function () { usleep(1000); throw new Exception; });
$runtime->dispatch(function () use (&$shown) { while (! $shown) { usleep(1000); } });
$runtime->dispatch(fn () => 1, delay: 1.0);
$runtime->every(1000, fn () => 1);
show('dispatched', $runtime->stats());
$runtime->run();
show('after', $runtime->stats());
echo implode(' ', array_keys($runtime->stats())), "\n";
?>
--EXPECT--
new: {"running":0,"waiting":0,"delayed":0,"finished":0,"failed":0,"lanes":0,"children":0,"isolated":0,"suspensions":"none"}
dispatched: {"running":0,"waiting":3,"delayed":2,"finished":0,"failed":0,"lanes":0,"children":0,"isolated":0,"suspensions":"none"}
during: {"running":2,"waiting":0,"delayed":2,"finished":1,"failed":1,"lanes":2,"children":0,"isolated":0,"suspensions":"some"}
after: {"running":0,"waiting":0,"delayed":1,"finished":3,"failed":1,"lanes":0,"children":0,"isolated":0,"suspensions":"some"}
running waiting delayed finished failed lanes children isolated suspensions memory rss hooks
