--TEST--
A job's timeout covers its shutdown functions and the destructors of what it left behind, and what they wait for
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';
use KQueue\{Engine, Runtime};

class Endless
{
    public static ?self $kept = null;
    public function __construct(private bool $waits = false) {}
    public function __destruct() { for ($end = hrtime(true) + 5e9; hrtime(true) < $end;) { $this->waits ? usleep(1000) : null; } echo "a destructor ran to its end\n"; }
}
$endless = function () { for ($end = hrtime(true) + 5e9; hrtime(true) < $end;) { } echo "a shutdown function ran to its end\n"; };
$ways = [
    'shutdown function' => fn () => register_shutdown_function($endless),
    'waiting shutdown function' => fn () => register_shutdown_function(function () { sleep(5); echo "not stopped\n"; }),
    'destructor of a result' => fn () => new Endless,
    'waiting destructor of a result' => fn () => new Endless(true),
    'both, after a timeout' => function () use ($endless) { register_shutdown_function($endless); for (;;) { } },
    'well behaved' => fn () => register_shutdown_function(function () { usleep(1000); echo "a quick one\n"; }),
];
$runtime = new Runtime(isolated: 0, concurrency: 1);
$results = [];
$runtime->onFinished(function ($id) use (&$results) { $results[$id] = 'done'; });
$runtime->onFailed(function ($id, $error) use (&$results) { $results[$id] = get_class($error).': '.$error->getMessage(); });
foreach ($ways as $name => $way) {
    $names[$runtime->dispatch($way, timeout: 0.1)] = $name;
}
set_error_handler(function ($level, $message) { echo "warning: $message\n"; return true; });
$began = microtime(true);
$runtime->run();
foreach ($results as $id => $result) {
    echo "$names[$id]: $result\n";
}
echo microtime(true) - $began < 4 ? "soon\n" : "late\n";

// At a lane's end, when the job is long over: a lane for each job.
$said = [];
template(fn () => null);
$jobs = (object) ['left' => ['static' => fn () => Endless::$kept = new Endless, 'shutdown function' => fn () => register_shutdown_function($endless)]];
$began = microtime(true);
Engine::run(function () use ($jobs) {
    if (! Engine::lead()) {
        return;
    }
    $name = array_key_first($jobs->left);
    if ($name === null) {
        return Engine::stop();
    }
    $job = $jobs->left[$name];
    unset($jobs->left[$name]);
    Engine::reserved(['id' => '1', 'class' => $name, 'connection' => '', 'queue' => '', 'timeout' => 0.1]);
    $job();
    Engine::finished();
}, 2, true, null, function ($level, $text) use (&$said) { $level === 'info' or $said[] = "$level: $text"; });
sort($said);
echo implode("\n", $said), "\n", microtime(true) - $began < 4 ? "soon\n" : "late\n";
?>
--EXPECT--
warning: KQueue: what job 3 left behind has destructors that ran longer than its timeout allows; they were ended
warning: KQueue: what job 4 left behind has destructors that ran longer than its timeout allows; they were ended
a quick one
shutdown function: KQueue\Exception\JobTimedOut: the job's shutdown functions have run longer than its timeout allows
waiting shutdown function: KQueue\Exception\JobTimedOut: the job's shutdown functions have run longer than its timeout allows
destructor of a result: done
waiting destructor of a result: done
both, after a timeout: KQueue\Exception\JobTimedOut: the job has run longer than its timeout allows
well behaved: done
soon
refused: [], destructors: []
warning: what a job left behind at its lane's end, shutdown functions or destructors, ran longer than its timeout allows; it was ended (job: shutdown function (1), timeout: 0.1)
warning: what a job left behind at its lane's end, shutdown functions or destructors, ran longer than its timeout allows; it was ended (job: static (1), timeout: 0.1)
soon
