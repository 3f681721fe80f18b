<?php

// The isolation torture: many lanes of one process change what two jobs in one process would share, wait inside each change, and look
// whether it is still their own. php torture.php LANES JOBS cloned|booted [PART]; prints one line of JSON. PART: only this one of
// laravel, redis, buffer, handler, sort, database.
//
// Lanes are driven here and not through a queue, so that nothing but the lanes keeps the jobs apart.

declare(strict_types=1);

use Carbon\Carbon;
use Illuminate\Auth\GenericUser;
use Illuminate\Container\Container;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\Relation;
use Illuminate\Support\Facades\App;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Redis;
use Illuminate\Support\Facades\View;
use KQueue\Engine;
use KQueue\Exception\ConnectionShared;
use KQueue\Tests\E2E\App\Row;

[, $lanes, $jobs, $mode] = $argv;
$only = $argv[4] ?? null;
ini_set('memory_limit', '-1');
require __DIR__.'/autoload.php';

/** What the lanes share here: held by their callable. */
$result = (object) ['begun' => 0, 'jobs' => 0, 'errors' => [], 'rows' => 0, 'lanes' => []];

$report = static fn (float $seconds = 0) => print json_encode([
    'jobs' => $result->jobs,
    'lanes' => $result->begun,
    'applications' => count($result->lanes),
    'errors' => $result->errors,
    'seconds' => round($seconds, 2),
    'suspensions' => Engine::state()['suspensions'],
    'rss_mb' => (int) (explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096 / 1048576),
])."\n";

// Without an exchange, each kind of leak is told as soon as it is found: jobs that share a connection may wait for ever, so that there
// is no end, and no report. Whoever reads it ends the process.
$result->leaks = static function (string $what) use ($result): void {
    $result->errors[$what] = ($result->errors[$what] ?? 0) + 1;

    if (getenv('KQUEUE_TEST_WITHOUT') && $result->errors[$what] === 1) {
        fwrite(STDERR, "leak: {$what}\n");
    }
};

$boot = static function (): void {
    $app = require __DIR__.'/bootstrap/app.php';
    $app->make(Kernel::class)->bootstrap();
    config(['database.redis.default.read_timeout' => 5]);
    foreach (['db', 'redis', 'cache', 'log', 'view', 'auth'] as $service) {
        $app->make($service);
    }
};

$laravel = static function (int $id, callable $check, callable $wait): void {
    $app = Container::getInstance();
    $constraints = new ReflectionProperty(Relation::class, 'constraints');
    $hasContext = class_exists(Context::class);     // since Laravel 11

    App::setLocale("l{$id}");
    $hasContext && Context::add('id', $id);
    config(['app.name' => "n{$id}"]);
    Log::withContext(['id' => $id]);
    Auth::setUser(new GenericUser(['id' => $id]));
    View::share('owner', "u{$id}");
    $wait();
    $check(app() === $app && App::getFacadeRoot() === $app, 'container');
    $check(App::getLocale() === "l{$id}" && Carbon::getLocale() !== '', 'locale');
    $check(! $hasContext || Context::get('id') === $id, 'context');
    $check(config('app.name') === "n{$id}", 'config');
    $check(Auth::id() === $id, 'user');
    $check((Log::channel()->getLogger()->withName('x') !== null) && (new ReflectionProperty(Log::driver(), 'context'))->getValue(Log::driver()) === ['id' => $id], 'log context');

    if ($id % 2) {
        Model::unguard();
        $wait();
        $check(Model::isUnguarded(), 'unguard lost');
        Model::reguard();
    } else {
        $wait();
        $check(! Model::isUnguarded(), 'unguard leaked');
    }

    if ($id % 3 === 0) {
        Relation::noConstraints(static function () use ($check, $constraints, $wait): void {
            $wait();
            $check($constraints->getValue() === false, 'noConstraints lost');
        });
    } else {
        $wait();
        $check($constraints->getValue() === true, 'noConstraints leaked');
    }

    Carbon::setTestNow('2020-01-01 00:00:'.sprintf('%02d', $id % 60));
    $wait(500);
    $check(now()->second === $id % 60, 'test clock');
    Carbon::setTestNow();

    $view = preg_replace('/\s+/', '', View::make('mail')->render());
    $check($view === "<u{$id}>u{$id}:[u{$id}-1][u{$id}-2]</u{$id}>", 'view');
};

$redis = static function (int $id, callable $check, callable $wait, int $round): void {
    // Which of its databases is selected belongs to the connection. Two jobs that share one are found by what they read, by answers that
    // nobody understands or that never come, or by KQueue's guard, whichever is first: a call to a connection of one's own does not fail.
    try {
        Redis::connection()->select($id % 16);
        Redis::connection()->set("k{$id}", (string) $round);
        $wait(500);
        $check((int) Redis::connection()->get("k{$id}") === $round, 'redis');
    } catch (ConnectionShared|RedisException $e) {
        $check(false, 'redis');

        throw $e;
    }
};

$buffer = static function (int $id, callable $check, callable $wait): void {
    ob_start();
    echo "a{$id}";
    $wait(500);
    echo "b{$id}";
    $check(ob_get_clean() === "a{$id}b{$id}", 'output buffer');
};

$handler = static function (int $id, callable $check, callable $wait): void {
    set_error_handler(static fn (int $level, string $message): bool => $check($message === "e{$id}", 'error handler') ?? true);
    $wait(500);
    trigger_error("e{$id}", E_USER_NOTICE);
    restore_error_handler();
};

$sort = static function (int $id, callable $check, callable $wait): void {
    $numbers = [3, 1, 2];
    usort($numbers, static function (int $a, int $b) use ($id, $wait): int {
        $wait(200);

        return $id % 2 ? $a <=> $b : $b <=> $a;
    });
    $check($numbers === ($id % 2 ? [1, 2, 3] : [3, 2, 1]), 'usort');
};

$database = static function (int $id, callable $check, callable $wait, int $round) use ($result): void {
    // A transaction with a wait in it holds SQLite's one lock: so only some do, half of them are rolled back.
    if (($id + $round) % 20 === 0) {
        try {
            DB::transaction(static function () use ($id, $check, $wait, $result): void {
                $check(DB::transactionLevel() === 1, 'transaction level');
                Row::create(['owner' => "o{$id}", 'kind' => $id % 2 ? 'kept' : 'dropped']);
                $wait(300);
                $check(DB::transactionLevel() === 1, 'transaction level');
                if ($id % 2 === 0) {
                    throw new DomainException('roll back');
                }
                $result->rows++;
            });
        } catch (DomainException) {
        }
        $check(DB::transactionLevel() === 0, 'transaction level after');
    }
};

$parts = compact('laravel', 'redis', 'buffer', 'handler', 'sort', 'database');
$parts = $only === null ? $parts : [$only => $parts[$only]];

$torture = static function (int $id, int $round) use ($result, $parts): void {
    $check = static function (bool $holds, string $what) use ($result): void {
        if (! $holds) {
            ($result->leaks)($what);
        }
    };
    $wait = static fn (int $most = 1500) => usleep(random_int(0, $most));

    foreach ($parts as $part) {
        $part($id, $check, $wait, $round);
    }

    // As queue:work does between two jobs.
    Log::withoutContext();
    Container::getInstance()->forgetScopedInstances();
};

if ($mode === 'cloned') {
    $template = Engine::template($boot);
    if ($template['refused'] !== []) {
        fwrite(STDERR, 'cannot be cloned: '.implode('; ', $template['refused'])."\n");
        exit(2);
    }
}

$rounds = intdiv((int) $jobs, (int) $lanes);
$began = microtime(true);

Engine::run(static function () use ($result, $torture, $boot, $mode, $lanes, $rounds): void {
    if (! Engine::lead()) {
        return;
    }
    if ($result->begun >= $lanes) {
        Engine::stop();

        return;
    }
    $id = ++$result->begun;
    Engine::reserved(['id' => (string) $id, 'class' => 'torture', 'connection' => '', 'queue' => '']);
    try {
        if ($mode !== 'cloned') {
            $boot();
        }
        $result->lanes[spl_object_id(Container::getInstance())] = true;
        for ($round = 0; $round < $rounds; $round++) {
            try {
                $torture($id, $round);
                $result->jobs++;
            } catch (Throwable $e) {
                ($result->leaks)($e::class.': '.$e->getMessage());
            }
        }
    } catch (Throwable $e) {
        ($result->leaks)($e::class.': '.$e->getMessage());
    }
    Engine::finished();
}, (int) $lanes, $mode === 'cloned');

$pdo = new PDO('sqlite:'.getenv('KQUEUE_TEST_FOLDER').'/e2e.sqlite');
$rows = $pdo->query('select kind, count(*) from rows group by kind')->fetchAll(PDO::FETCH_KEY_PAIR);
if (($rows['dropped'] ?? 0) > 0 || ($rows['kept'] ?? 0) != $result->rows) {
    $result->errors['rows committed or rolled back by another job'] = 1;
}

$report(microtime(true) - $began);
