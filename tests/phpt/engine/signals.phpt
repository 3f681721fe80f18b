--TEST--
A stop signal is told to the run and then to each job that wants to know, in its own world, whether it waits or computes
--EXTENSIONS--
kqueue
posix
--FILE--
<?php
use KQueue\Engine;

class World { public static string $name = 'base'; }
/** Of this lane, or of the process. */
function setting(?string $value = null): string
{
    return $value === null ? ini_get('user_agent') : (string) ini_set('user_agent', $value);
}
// What lanes share is what their callable holds: static properties and global variables are each lane's own.
$shared = (object) ['log' => [], 'told' => [], 'next' => 0];
$note = static function (int $number, int $signal) use ($shared): void {
    echo ", signal $signal";
    $shared->told[$number] = true;
    $shared->log[] = "signal $signal for job $number in ".World::$name;
    setting("told $number");
    usleep(1000);    // a real wait: no other lane runs meanwhile
};
$lane = static function () use ($shared, $note): void {
    while (Engine::lead()) {
        $number = ++$shared->next;
        if ($number > 5) {
            Engine::idle(30.0);
            continue;
        }
        World::$name = "lane $number";
        ob_start();
        echo "output of $number";
        $calm = fn (int $signal) => $note($number, $signal);
        $throws = function (int $signal) use ($note, $number) { $note($number, $signal); throw new Exception('nobody hears of it'); };
        $job = ['id' => "$number", 'class' => 'Test', 'connection' => '', 'queue' => ''];
        Engine::reserved($job + match ($number) { 1, 2 => ['onSignal' => $calm], 3 => ['onSignal' => $throws], 4 => [], 5 => ['onSignal' => $calm] });
        if ($number === 5) {
            // Computes until it is told, since nothing else would let the others run.
            posix_kill(getmypid(), 15);
            for ($end = microtime(true) + 20; ! isset($shared->told[5]) && microtime(true) < $end;) { }
            $shared->log[] = isset($shared->told[5]) ? 'the computing job was told' : 'the computing job was not told';
        } else {
            $number === 1 ? KQueue\concurrently([fn () => usleep(200000), fn () => usleep(100000)]) : usleep(200000);
        }
        $ok = World::$name === "lane $number" && ob_get_clean() === "output of $number".(isset($shared->told[$number]) ? ", signal 15" : '');
        $ok = $ok && setting() === (isset($shared->told[$number]) ? "told $number" : '');
        Engine::finished();
        $shared->log[] = "job $number ended ".($ok ? 'well' : 'in another world');
    }
};
Engine::run($lane, 10, false, function (int $signal) use ($shared) {
    $state = Engine::state();
    $shared->log[] = "signal $signal for the run in ".World::$name.setting().', stopping: '.json_encode($state['stopping']).', jobs: '.$state['in_flight'];
    throw new Exception('nobody hears of it');
});
$log = $shared->log;
sort($log);
echo implode("\n", $log), "\n";
foreach ([fn () => Engine::run($lane, 1, false, 'no function'), fn () => Engine::reserved(['onSignal' => 5])] as $wrong) {
    try {
        $wrong();
    } catch (KQueue\Exception\InvalidArgument $error) {
        echo $error->getMessage(), "\n";
    }
}
?>
--EXPECT--
job 1 ended well
job 2 ended well
job 3 ended well
job 4 ended well
job 5 ended well
signal 15 for job 1 in lane 1
signal 15 for job 2 in lane 2
signal 15 for job 3 in lane 3
signal 15 for job 5 in lane 5
signal 15 for the run in base, stopping: true, jobs: 5
the computing job was told
onSignal is not callable
Engine::reserved() works inside a lane only
