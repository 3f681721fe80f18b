--TEST--
A kqueue.so that was not built for tests keeps lanes apart, whatever the environment says
--EXTENSIONS--
kqueue
--SKIPIF--
<?php if (require __DIR__.'/lib/switches.inc') die('skip kqueue.so was built with test switches'); ?>
--ENV--
KQUEUE_TEST_WITHOUT=statics,functions,symbols,globals,modules,settings
KQUEUE_TEST_WITHOUT_HOOKS=1
--FILE--
<?php
final class Counter
{
    public static int $count = 0;
}

$seen = (object) ['begun' => 0, 'counts' => []];
KQueue\Engine::run(static function () use ($seen): void {
    if (! KQueue\Engine::lead() || $seen->begun === 3) {
        KQueue\Engine::stop();

        return;
    }
    KQueue\Engine::reserved(['id' => (string) ++$seen->begun, 'class' => 'test', 'connection' => '', 'queue' => '']);
    ini_set('precision', (string) (4 + ++Counter::$count));
    usleep(5000);
    $seen->counts[] = Counter::$count.' '.ini_get('precision');
    KQueue\Engine::finished();
}, 3, false);
echo implode(', ', $seen->counts), ', ', Counter::$count, "\n";
?>
--EXPECT--
1 5, 1 5, 1 5, 0
