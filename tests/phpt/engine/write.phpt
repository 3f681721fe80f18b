--TEST--
Engine::write(): in a run lines are held back for a moment and written together, outside of one at once; a fork writes none twice
--EXTENSIONS--
pcntl
kqueue
--FILE--
<?php
use KQueue\Engine;

Engine::write("before\n");
$mark = __DIR__.'/write.mark';
$run = (object) ['jobs' => 0];
Engine::run(static function () use ($run, $mark) {
    while (Engine::lead()) {
        $job = ++$run->jobs;
        if ($job > 3) {
            Engine::stop();
            continue;
        }
        Engine::reserved(['id' => (string) $job, 'class' => 'job', 'connection' => '', 'queue' => '']);
        Engine::write("{$job} begins\n");
        if ($job === 1) {
            echo "1 is held back\n";
            if (pcntl_fork() === 0) {
                Engine::write("from a fork\n");
                touch($mark);
                exit;
            }
            // Without a wait, in which the lines would be written.
            while (! file_exists($mark)) {
                clearstatcache();
            }
        }
        usleep(100_000);
        Engine::write("{$job} ends\n");
        Engine::finished();
    }
}, 3, false);
Engine::write("after\n");

try {
    Engine::write(1);
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
--CLEAN--
<?php
@unlink(__DIR__.'/write.mark');
--EXPECT--
before
1 is held back
from a fork
1 begins
2 begins
3 begins
1 ends
2 ends
3 ends
after
the lines must be a string
