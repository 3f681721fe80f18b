--TEST--
Lanes of the package: the lead, idle(), reserved(), deadlines, timedOut(), contain(), note(), pause() and what tells of the run
--EXTENSIONS--
kqueue
--FILE--
<?php
use KQueue\Engine;

$shared = (object) ['log' => [], 'next' => 0, 'paused' => true, 'count' => 0];
function work(stdClass $shared): void
{
    while (Engine::lead()) {
        $number = ++$shared->next;
        if ($number === 1) {
            $shared->log[] = 'note: '.Engine::note('word', 'from the first').'|'.Engine::note('word');
        }
        if ($number > 6) {
            // Nothing to do: sleeps until another lane's job ends, or a stop is asked for.
            assert(Engine::jobsInFlight() === Engine::state()['in_flight'] && Engine::jobsReserved() === 6 && ! Engine::isStopping() && Engine::stopReason() === null);
            if (Engine::jobsInFlight() === 0) {
                Engine::stop(3, 'empty');
            }
            Engine::idle(30.0);
            continue;
        }
        Engine::reserved(['id' => "job $number", 'class' => 'Test', 'connection' => 'c', 'queue' => 'q', 'timeout' => in_array($number, [2, 3]) ? 0.1 : null]);
        try {
            $shared->log[] = $number.': '.job($number);
        } catch (Throwable $error) {
            $shared->log[] = "$number: ".get_class($error).', timed out: '.json_encode(Engine::timedOut());
            usleep(1000);    // after timedOut() it may wait again
        }
        Engine::finished();
    }
}

function job(int $number): string
{
    switch ($number) {
        case 1:
            usleep(300000);
            return Engine::contain(function () { exit(5); }) ? 'not contained' : 'contained an exit';
        case 2:
            sleep(30);
        case 3:
            while (true) { }
        case 4:
            try {
                Engine::contain(function () { throw new DomainException('passes through'); });
            } catch (DomainException $error) {
                return $error->getMessage();
            }
        case 5:
            try {
                Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
            } catch (KQueue\Exception\InvalidArgument $error) {
                return $error->getMessage();
            }
        case 6:
            return json_encode([Engine::note('word'), Engine::state()['lanes'] > 1, Engine::timedOut()]);
    }
}

Engine::run(static fn () => work($shared), 10, false);
sort($shared->log);
echo implode("\n", $shared->log), "\n";
$state = Engine::state();
$narrow = fn () => ['stopping' => Engine::isStopping(), 'paused' => Engine::isPaused(), 'status' => Engine::exitStatus(), 'reason' => Engine::stopReason(),
    'in_flight' => Engine::jobsInFlight(), 'reserved' => Engine::jobsReserved()];
assert($narrow() === array_intersect_key($state, $narrow()) && Engine::sinceLastFinished() >= $state['last_finished']);
echo json_encode(array_intersect_key($state, array_flip(['role', 'stopping', 'status', 'reason', 'signal', 'in_flight', 'reserved', 'finished', 'lanes', 'hooks']))), "\n";

// A stop wakes who idles; the first reason stays. A pause is only told.
$shared->log = [];
Engine::run(static function () use ($shared) {
    while (Engine::lead()) {
        if ($shared->paused) {
            Engine::pause(true);
            $shared->log[] = Engine::isPaused();
            Engine::pause(false);
            $shared->log[] = Engine::isPaused();
            $shared->paused = false;
        }
        Engine::stop(1, 'first');
        Engine::stop(2, 'second');
        Engine::idle(30.0);
    }
}, 1, false);
echo json_encode([$shared->log, Engine::state()['status'], Engine::state()['reason']]), "\n";

// What a lane throws ends the run, and comes out of it.
try {
    Engine::run(static function () { Engine::lead(); throw new DomainException('from a lane'); }, 3, false);
} catch (DomainException $error) {
    echo $error->getMessage(), "\n";
}
// An exit() ends its lane only.
Engine::run(static function () use ($shared) { if (! Engine::lead()) { return; } if (++$shared->count > 3) { Engine::stop(); return; } exit; }, 1, false);
echo "$shared->count lanes\n";
?>
--EXPECT--
1: contained an exit
2: KQueue\Exception\JobTimedOut, timed out: true
3: KQueue\Exception\JobTimedOut, timed out: true
4: passes through
5: only the leader may say that it has reserved a job
6: ["from the first",true,false]
note: |from the first
{"role":"none","stopping":true,"status":3,"reason":"empty","signal":null,"in_flight":0,"reserved":6,"finished":6,"lanes":0,"hooks":0}
[[true,false],1,"first"]
from a lane
4 lanes
