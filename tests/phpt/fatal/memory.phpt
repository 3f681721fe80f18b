--TEST--
A job in a lane that uses more memory than it may gets an exception; its neighbours notice nothing
--EXTENSIONS--
kqueue
--ENV--
USE_ZEND_ALLOC=1
--INI--
memory_limit=900M
--FILE--
<?php
use KQueue\Engine;
use KQueue\Exception\OutOfMemory;

function recurse(int $depth): int
{
    return 1 + recurse($depth + 1);
}

$jobs = [
    'recurses' => static fn () => recurse(0),
    'collects' => static function (): void {
        for ($all = []; ; $all[] = str_repeat('x', 1000)) {
        }
    },
    'has asked for more' => static function (): string {
        ini_set('memory_limit', '200M');
        for ($all = []; count($all) < 100; usleep(1000)) {
            $all[] = str_repeat('x', 1 << 20);
        }

        return ini_get('memory_limit').', and had '.count($all).' MB';
    },
    'uses little' => static function (): string {
        for ($i = 0; $i < 20; $i++) {
            usleep(20_000);
        }

        return ini_get('memory_limit');
    },
    'goes on' => static function (): string {
        $all = [];
        for ($caught = 0; $caught < 2;) {
            try {
                for (; ; $all[] = str_repeat('x', 1000)) {
                }
            } catch (OutOfMemory) {
                $caught++;
            }
        }
        Engine::settling(true);
        $before = microtime(true);
        while (microtime(true) - $before < 0.25) {
        }
        Engine::settling(false);

        return 'caught it twice, and may settle the job with what it has';
    },
];

$said = [];
Engine::run(static function () use (&$jobs, &$said): void {
    while (Engine::lead()) {
        if ($jobs === []) {
            Engine::stop();
            return;
        }
        $name = array_key_first($jobs);
        $job = $jobs[$name];
        unset($jobs[$name]);
        Engine::reserved(['id' => '7', 'class' => $name, 'connection' => '', 'queue' => '', 'memory' => 60]);
        try {
            $said[$name] = $job();
        } catch (OutOfMemory $e) {
            $said[$name] = $e->getMessage();
        }
        unset($job);
        Engine::finished();
    }
}, 10, false);

ksort($said);
foreach ($said as $name => $text) {
    echo "$name: $text\n";
}
echo 'afterwards: ', ini_get('memory_limit'), "\n";
?>
--EXPECT--
collects: collects (7) used more than the 60 MB that one job may have (config kqueue.max_memory, or $maxMemory of its class)
goes on: caught it twice, and may settle the job with what it has
has asked for more: 200M, and had 100 MB
recurses: recurses (7) used more than the 60 MB that one job may have (config kqueue.max_memory, or $maxMemory of its class)
uses little: 900M
afterwards: 900M
