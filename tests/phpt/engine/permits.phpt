--TEST--
permit(), release() and wanted(): so many lanes at once, with what runs beside their jobs; lead() calls a lane out of the line
--EXTENSIONS--
pcntl
kqueue
--FILE--
<?php
use KQueue\Engine;

final class Shared
{
    public int $left = 10;
    public int $now = 0;
    public int $most = 0;
    public array $log = [];
}

/** A lane that keeps what it has for its next job, as lanes keep connections. */
function lane(Shared $shared): void
{
    $permit = 0;
    while (($leads = Engine::lead($permit ? 0.2 : null)) !== false) {
        if ($leads === null || Engine::wanted()) {
            Engine::release($permit);
            $permit = 0;
            if ($leads === null) {
                continue;
            }
        }
        if ($shared->left === 0) {
            if (Engine::state()['in_flight'] === 0) {
                Engine::stop();
            }
            Engine::idle(30.0);
            continue;
        }
        $shared->left--;
        Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
        $permit = $permit ?: Engine::permit('db', 3);
        $shared->most = max($shared->most, ++$shared->now);
        usleep(20000);
        $shared->now--;
        Engine::finished();
        if (Engine::wanted()) {
            $shared->log['wanted'] = Engine::wanted();
            Engine::release($permit);
            $permit = 0;
        }
    }
}

$shared = new Shared;
Engine::run(static fn () => lane($shared), 10, false);
echo json_encode([$shared->left, $shared->most, $shared->log]), "\n";

// The deadline ends the waiting; a lane that ends has given back what it had.
$shared = new Shared;
$shared->left = 3;
Engine::run(static function () use ($shared) {
    while (Engine::lead()) {
        $number = $shared->left--;
        if ($number <= 0) {
            Engine::state()['in_flight'] || Engine::stop();
            Engine::idle(30.0);
            continue;
        }
        Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '', 'timeout' => $number === 2 ? 0.1 : 20]);
        try {
            $permit = Engine::permit('db', 1);
            usleep(300000);
            $shared->log[] = "$number has it";
            if ($number === 3) {
                return;    // with the permit
            }
        } catch (KQueue\Exception\JobTimedOut $error) {
            $shared->log[] = "$number: {$error->getMessage()}, timed out: ".json_encode(Engine::timedOut());
        }
        Engine::finished();
    }
}, 3, false);
echo implode("\n", $shared->log), "\n";

// Null comes once the lane has stood in line that long; not to a lane that said nothing.
$shared = new Shared;
$shared->left = 3;
Engine::run(static function () use ($shared) {
    $patience = null;
    while (($leads = Engine::lead($patience)) !== false) {
        if ($leads === null) {
            $shared->log[] = 'called out';
            $patience = null;
            continue;
        }
        $number = $shared->left--;
        if ($number <= 0) {
            Engine::state()['in_flight'] || Engine::stop();
            Engine::idle(30.0);
            continue;
        }
        Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
        usleep($number === 3 ? 1000 : ($number === 2 ? 20000 : 400000));
        $patience = $number === 1 ? null : 0.1;
        Engine::finished();
    }
}, 3, false);
echo implode("\n", $shared->log), "\n";

// What runs beside a job takes permits as that job does: it does not wait for itself, and what it takes outlives it.
$shared = new Shared;
$shared->left = 4;
Engine::run(static function () use ($shared) {
    $permits = [];
    while (Engine::lead()) {
        if ($shared->left-- <= 0) {
            Engine::state()['in_flight'] || Engine::stop();
            Engine::idle(30.0);
            continue;
        }
        Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
        usleep(1000);
        $permits = KQueue\concurrently(array_fill(0, 3, static function () use ($shared) {
            $permit = Engine::permit('db', 1);
            $shared->most = max($shared->most, ++$shared->now);
            usleep(5000);

            return $permit;
        }));
        usleep(5000);
        $shared->now -= 3;
        array_map(Engine::release(...), $permits);
        $shared->log[] = count($permits);
        Engine::finished();
    }
}, 4, false);
echo json_encode([$shared->log, $shared->most]), "\n";

// A deadline ends what waits beside the job.
$shared = new Shared;
$shared->left = 2;
Engine::run(static function () use ($shared) {
    while (Engine::lead()) {
        $number = $shared->left--;
        if ($number <= 0) {
            Engine::state()['in_flight'] || Engine::stop();
            Engine::idle(30.0);
            continue;
        }
        Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '', 'timeout' => $number === 1 ? 0.1 : 20]);
        if ($number === 2) {
            $permit = Engine::permit('db', 1);
            usleep(300000);
            Engine::release($permit);
        } else {
            try {
                KQueue\concurrently(array_fill(0, 3, static fn () => Engine::permit('db', 1)));
            } catch (KQueue\Exception\JobTimedOut $error) {
                $shared->log[] = $error->getMessage();
            }
            Engine::timedOut();
        }
        Engine::finished();
    }
}, 2, false);
echo implode("\n", $shared->log), "\n";

// Where a lane must not be suspended it gets one beyond the limit; a process that a job forked is not counted.
final class Reached { public static int $permit = 0; }
spl_autoload_register(function (string $class) {
    Reached::$permit = Engine::permit('db', 1);
    eval("class $class {}");
});
$shared = new Shared;
$shared->left = 2;
Engine::run(static function () use ($shared) {
    while (Engine::lead()) {
        $number = $shared->left--;
        if ($number <= 0) {
            Engine::state()['in_flight'] || Engine::stop();
            Engine::idle(30.0);
            continue;
        }
        Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
        if ($number === 2) {
            $permit = Engine::permit('db', 1);
            $shared->log[] = 'taken';
            for ($i = 0; $i < 4000 && ! preg_grep('/^a fork ends/', $shared->log); $i++) {
                usleep(5000);
            }
            Engine::release($permit);
            $shared->log[] = 'given back';
        } else {
            usleep(20000);
            class_exists('LoadedMeanwhile');
            $shared->log[] = 'loaded with '.(Reached::$permit > 0 ? 'one' : 'none');
            Engine::release(Reached::$permit);
            $child = pcntl_fork();
            if ($child === 0) {
                exit(Engine::permit('db', 1) === 0 ? 7 : 8);
            }
            pcntl_waitpid($child, $status);
            $shared->log[] = 'a fork ends by '.pcntl_wexitstatus($status);
        }
        Engine::finished();
    }
}, 2, false);
echo implode("\n", $shared->log), "\n";
Engine::release(12345);
try {
    Engine::permit('db', 1);
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
[0,3,{"wanted":["db"]}]
2: the job has run longer than its timeout allows, timed out: true
3 has it
1 has it
called out
[[3,3,3,3],3]
the job has run longer than its timeout allows
taken
loaded with one
a fork ends by 7
given back
Engine::permit() works inside a lane only
