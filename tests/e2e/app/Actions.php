<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Carbon\Carbon;
use Closure;
use Illuminate\Container\Container;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\Relation;
use Illuminate\Support\Facades\App;
use Illuminate\Support\Facades\Concurrency;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Process;
use Illuminate\Support\Facades\Redis;
use LogicException;
use ReflectionProperty;
use RuntimeException;
use Throwable;

/** What jobs of these tests do. */
final class Actions
{
    public static int $count = 0;

    /** @var list<resource> */
    public static array $held = [];

    public static ?object $left = null;

    public static function nothing(): void {}

    public static function package(Act $job, int $number): void
    {
        Packages::work($number);
    }

    /** Console commands that trap signals while they run. */
    public static function trapsSignals(Act $job): void
    {
        $artisan = app(Kernel::class);
        $artisan->registerCommand(new TrappingCommand);
        $results = [];

        foreach (range(1, 2) as $round) {
            $results[] = [$artisan->call('e2e:trap'), trim($artisan->output())];
        }

        Trace::add('result', $results);
    }

    /** Work for the end of the worker: in a web request it would be done after the response. */
    public static function afterResponse(Act $job, float $seconds): void
    {
        usleep((int) ($seconds * 1e6));
        dispatch(static fn () => Trace::add('after response'))->afterResponse();
    }

    public static function once(): void
    {
        Trace::add('seen', Once::seen());
    }

    public static function sleep(Act $job, float $seconds): void
    {
        usleep((int) ($seconds * 1e6));
    }

    public static function waits(Act $job, string $how, float $seconds, int $which): void
    {
        Trace::add('result', [$which, Waits::{$how}($seconds, $which)]);
    }

    /** Descriptors of its own for a while. */
    public static function holds(Act $job, int $count, float $seconds): void
    {
        for ($held = []; count($held) < $count; $held[] = fopen('/dev/null', 'r')) {
        }

        usleep((int) ($seconds * 1e6));
    }

    /** So late that nobody expects it any more, and longer than the job. */
    public static function holdsLater(Act $job, int $count, float $after): void
    {
        usleep((int) ($after * 1e6));

        while (count(self::$held) < $count) {
            self::$held[] = fopen('/dev/null', 'r');
        }

        usleep(500_000);
    }

    /** @param  int  $held  how many descriptors are open before it */
    public static function runsPrograms(Act $job, int $held): void
    {
        for ($files = []; count($files) < $held; $files[] = fopen('/dev/null', 'r')) {
        }

        $process = proc_open('ulimit -Sn', [1 => ['pipe', 'w']], $pipes);
        $said = stream_get_contents($pipes[1]);
        proc_close($process);

        Trace::add('result', [
            'exec' => exec('ulimit -Sn'),
            'proc_open' => trim($said),
            'Process' => trim(Process::run('ulimit -Sn')->throw()->output()),
        ]);
    }

    public static function recurses(): int
    {
        return 1 + self::recurses();
    }

    public static function collects(): void
    {
        for ($all = []; ; $all[] = str_repeat('x', 1000)) {
        }
    }

    public static function longSleep(Act $job, int $seconds): void
    {
        sleep($seconds);
    }

    public static function fetch(Act $job, string $url): void
    {
        if (Http::timeout(60)->get($url)->throw()->body() !== "ok\n") {
            throw new LogicException('An answer of another request.');
        }
    }

    /** @param  string  $url  which answers "ok" after a while */
    public static function fetchMany(Act $job, string $url, int $count): void
    {
        $statics = self::$count = random_int(1, PHP_INT_MAX);
        $app = Container::getInstance();

        $bodies = Concurrency::driver('kqueue')->run(array_map(static fn (int $i): Closure => static function () use ($i, $url, $app, $statics): array {
            $body = Http::timeout(60)->get($url)->throw()->body();

            return [$i, $body, Container::getInstance() === $app, self::$count === $statics];
        }, range(1, $count)));

        if ($bodies !== array_map(static fn (int $i): array => [$i, "ok\n", true, true], range(1, $count))) {
            throw new LogicException('wrong: '.json_encode($bodies));
        }
    }

    /** The tasks share the job's connections. */
    public static function storesSideBySide(Act $job, string $redis, int $count): void
    {
        Redis::connection()->set('shared', 'yes');
        $task = static fn (int $i): Closure => static function () use ($i, $redis): array {
            for ($round = 0; $round < 20; $round++) {
                Redis::connection()->set("{$redis}:{$i}", (string) $round);
                $round % 5 || usleep(random_int(0, 2000));

                if (Redis::connection()->get("{$redis}:{$i}") !== (string) $round || Redis::connection()->get('shared') !== 'yes') {
                    throw new LogicException('the answer to another request');
                }

                Row::create(['owner' => "{$redis}:{$i}", 'kind' => (string) $round]);
            }

            return [$i, Row::where('owner', "{$redis}:{$i}")->count()];
        };
        $rows = Concurrency::driver('kqueue')->run(array_map($task, range(1, $count)));

        if ($rows !== array_map(static fn (int $i): array => [$i, 20], range(1, $count))) {
            throw new LogicException('wrong: '.json_encode($rows));
        }
    }

    public static function failsSideBySide(): void
    {
        Concurrency::driver('kqueue')->run([static fn () => sleep(30), static fn () => throw new RuntimeException('in a task')]);
    }

    public static function waitsSideBySide(): void
    {
        Concurrency::driver('kqueue')->run(array_fill(0, 5, static fn () => sleep(30)));
    }

    public static function trace(Act $job, mixed $detail): void
    {
        Trace::add('traced', $detail);
    }

    /** The first attempt only. */
    public static function waitsForRedis(Act $job, float $seconds): void
    {
        $job->attempts() > 1 || Redis::connection()->blpop('nothing', $seconds);
    }

    public static function spin(Act $job, float $seconds): void
    {
        for ($end = microtime(true) + $seconds; microtime(true) < $end;) {
        }
    }

    /** Uses the processor that long, whoever else wants it. */
    public static function burns(Act $job, float $seconds): void
    {
        $used = static fn (): float => array_sum(array_intersect_key(getrusage(), ['ru_utime.tv_sec' => 1, 'ru_stime.tv_sec' => 1]))
            + (getrusage()['ru_utime.tv_usec'] + getrusage()['ru_stime.tv_usec']) / 1e6;

        for ($end = $used() + $seconds; $used() < $end;) {
        }
    }

    public static function swallowSleeping(): void
    {
        for (;;) {
            try {
                sleep(30);
            } catch (Throwable) {
            }
        }
    }

    public static function swallowComputing(): void
    {
        for (;;) {
            try {
                for (;;) {
                }
            } catch (Throwable) {
            }
        }
    }

    /** One call into C that takes very long. */
    public static function hang(Act $job, int $rounds): void
    {
        hash_pbkdf2('sha512', 'password', 'salt', $rounds);
    }

    public static function untilInterrupted(Act $job, bool $computing = false): void
    {
        for ($end = microtime(true) + 30; ! $job->interrupted && microtime(true) < $end;) {
            $computing || usleep(10_000);
        }
    }

    public static function throws(Act $job, string $message = 'as it should'): void
    {
        throw new RuntimeException($message);
    }

    public static function throwsBelow(Act $job, int $attempt): void
    {
        if ($job->attempts() < $attempt) {
            throw new RuntimeException("attempt {$job->attempts()}");
        }
    }

    public static function signal(Act $job, int $signal): void
    {
        posix_kill(getmypid(), $signal);
        sleep(10);
    }

    public static function exits(): void
    {
        exit(3);
    }

    /** @param  string  $way  how the forked process ends */
    public static function forks(Act $job, string $way): void
    {
        $pid = pcntl_fork();

        if ($pid === 0) {
            match ($way) {
                'returns' => null,
                'throws' => throw new LogicException('in the forked process'),
                'exits' => exit(3),
                'fails' => $job->fail('by the forked process'),
            };

            return;
        }

        pcntl_waitpid($pid, $status);
        Trace::add('forked', pcntl_wexitstatus($status));
    }

    /** Leaves what would meet the next job of its process: in the end a handler, for which the process is replaced. */
    public static function leaves(Act $job, bool $handler): void
    {
        pcntl_alarm(1);
        umask(0);
        chdir('/');
        putenv('KQUEUE_TEST_LEFT=1');
        setlocale(LC_ALL, 'C.UTF-8');
        date_default_timezone_set('Asia/Tokyo');
        ini_set('precision', '3');
        mt_srand(42);
        set_error_handler(static fn (): bool => true);
        $handler && pcntl_signal(SIGUSR1, static fn () => null);
    }

    public static function looks(): void
    {
        $handler = set_error_handler(null);
        restore_error_handler();
        Trace::add('found', [umask(), getcwd(), getenv('KQUEUE_TEST_LEFT'), setlocale(LC_ALL, 0), date_default_timezone_get(), ini_get('precision'), is_array($handler) ? get_class($handler[0]) : get_debug_type($handler)]);
        Trace::add('number', [mt_rand(), lcg_value()]);
        usleep(1_200_000);
    }

    public static function registersShutdown(Act $job, string $then): void
    {
        register_shutdown_function(static fn () => Trace::add('shutdown', $then));
        $then === 'fatal' && register_shutdown_function(Fatal\Errors::function(...));
        $then === 'signal' && register_shutdown_function(static fn () => posix_kill(getmypid(), SIGSEGV));

        $then === 'exits' && exit(3);
    }

    /** In a static property, which is freed as its lane ends. */
    public static function leavesDestructor(Act $job): void
    {
        self::$left = new class
        {
            public function __destruct()
            {
                Fatal\Errors::function();
            }
        };
    }

    /** For the end of the application. */
    public static function leavesCallback(Act $job): void
    {
        app()->terminating(Fatal\Errors::function(...));
    }

    public static function fatal(Act $job, string $error = 'function'): void
    {
        Fatal\Errors::{$error}();
    }

    public static function dies(Act $job, string $how): void
    {
        Fatal\Deaths::{$how}();
    }

    public static function memory(): void
    {
        for ($all = []; true;) {
            $all[] = str_repeat('x', 1 << 20);
        }
    }

    /** Has this many MB while it waits. */
    public static function grows(Act $job, int $megabytes): void
    {
        $all = str_repeat('x', $megabytes << 20);
        usleep(10_000);
        unset($all);
    }

    /** Has so much from a moment on, when others have begun too. */
    public static function growsLater(Act $job, int $megabytes, float $after, float $seconds): void
    {
        usleep((int) ($after * 1e6));
        $all = str_repeat('x', $megabytes << 20);
        usleep((int) ($seconds * 1e6));
        unset($all);
    }

    /** Has classes loaded that no job has needed before: all the time goes into code, and none into what it does. */
    public static function loads(Act $job, string $folder, int $classes): void
    {
        $load = static function (string $class) use ($folder): void {
            if (str_starts_with($class, 'Loaded')) {
                require_once "{$folder}/{$class}.php";
            }
        };
        spl_autoload_register($load);

        for ($i = 0; $i < $classes; $i++) {
            class_exists("Loaded{$i}");
        }

        spl_autoload_unregister($load);
    }

    public static function readsThenWrites(Act $job, float $wait): void
    {
        DB::transaction(static function () use ($wait): void {
            $count = Row::count();
            usleep((int) ($wait * 1e6));
            Row::create(['owner' => 'job', 'kind' => "after {$count}"]);
        });
    }

    public static function queuesAnother(Act $job, string $action, mixed ...$arguments): void
    {
        dispatch(new Act($action, ...$arguments));
    }

    public static function queuesTagged(Act $job, string $tag): void
    {
        dispatch((new TaggedAct('nothing'))->with(['tag' => $tag])->delay(2));
    }

    public static function failsItself(Act $job): void
    {
        $job->fail(new RuntimeException('by its own decision'));
    }

    public static function releases(Act $job, int $until, int $delay = 0): void
    {
        if ($job->attempts() < $until) {
            $job->release($delay);
        }
    }

    public static function numbered(Act $job, int $number): void
    {
        usleep(5000);
        Trace::add('number', $number);
    }

    /** Has a connection for a while, and counts those of the process. */
    public static function connects(Act $job, float $seconds): void
    {
        if ($seconds > 0) {
            DB::select('select 1');
            usleep((int) ($seconds * 1e6));
        }

        $files = array_filter(glob('/proc/self/fd/*'), static fn (string $fd): bool => str_ends_with((string) @readlink($fd), '/e2e.sqlite'));
        Trace::add('connections', count($files));
    }

    /** A transaction that takes that long. */
    public static function transacts(Act $job, float $seconds): void
    {
        DB::transaction(static function () use ($seconds): void {
            DB::selectOne(DB::getDriverName() === 'pgsql' ? "select pg_sleep({$seconds})" : "select sleep({$seconds})");
        });
    }

    public static function leavesTransaction(Act $job, string $owner): void
    {
        DB::beginTransaction();
        Row::create(['owner' => $owner, 'kind' => 'never']);
        throw new RuntimeException('left open');
    }

    public static function addsRow(): void
    {
        Row::create(['owner' => 'somebody', 'kind' => 'kept']);
    }

    public static function leavesTransactionBy(Act $job, string $action, int ...$arguments): void
    {
        DB::beginTransaction();
        Row::create(['owner' => 'nobody', 'kind' => 'never']);
        self::{$action}($job, ...$arguments);
    }

    public static function failsInTransaction(Act $job): void
    {
        DB::transaction(static function () use ($job): void {
            Row::create(['owner' => 'somebody', 'kind' => 'kept']);
            self::failsItself($job);
        });
    }

    public static function leavesBuffer(): void
    {
        ob_start();
        echo 'in the buffer';
    }

    public static function writes(Act $job, string $owner, float $wait): void
    {
        DB::transaction(static function () use ($owner, $wait): void {
            $parent = Row::create(['owner' => $owner, 'kind' => 'parent']);

            for ($i = 0; $i < 3; $i++) {
                $parent->children()->create(['owner' => $owner, 'kind' => 'child']);
            }

            usleep((int) ($wait * 1e6));

            if ($parent->children()->where('owner', '!=', $owner)->exists() || $parent->load('children')->children->count() !== 3) {
                throw new LogicException('The rows of another job.');
            }

            if (crc32($owner) % 2) {
                throw new RuntimeException('rolled back');
            }
        });
    }

    /** A closure that workers can unserialize: its scope is a class that they can load. */
    public static function batchDone(): Closure
    {
        return static fn () => Trace::add('batch done');
    }

    public static function queuedClosure(int $number): Closure
    {
        return static function () use ($number): void {
            usleep(100_000);
            Trace::add('closure', $number);
        };
    }

    /** Looks for what an earlier job changed, then changes it. */
    public static function changes(Act $job): void
    {
        Trace::add('seen', array_keys(array_filter([
            'static property' => self::$count !== 0,
            'singleton' => app()->bound('left behind'),
            'scoped' => class_exists(Context::class) && Context::get('left behind') !== null,
            'config' => config('app.name') !== 'e2e',
            'locale' => App::getLocale() !== 'en',
            'model' => Model::isUnguarded(),
            'connection' => app('db')->getConnections() !== [] && DB::connection()->selectOne('pragma cache_size')->cache_size === 123,
            'listener' => app('events')->hasListeners('left behind'),
        ])));
        Trace::add('memory', memory_get_usage());

        self::$count++;
        app()->instance('left behind', str_repeat('x', 200_000));
        class_exists(Context::class) && Context::add('left behind', 1);
        config(['app.name' => 'changed']);
        App::setLocale('de');
        Model::unguard();
        DB::statement('pragma cache_size = 123');
        app('events')->listen('left behind', static fn () => null);
    }

    /** Tells what it finds, then changes some of it. */
    public static function mutates(Act $job, int $seed): void
    {
        Trace::add('state', [$seed, State::look()]);
        Trace::add('blind', [$seed, State::change($seed)]);
        State::end($job, $seed);
    }

    public static function feature(Act $job, string $feature, string $name, string $partner): void
    {
        Features::pair($feature, $name, $partner);
    }

    /** Changes what would be shared by two jobs in one process, waits inside each change, and looks whether it is still its own. */
    public static function torture(Act $job, int $id, int $rounds): void
    {
        $app = Container::getInstance();
        $constraints = new ReflectionProperty(Relation::class, 'constraints');
        $hasContext = class_exists(Context::class);     // since Laravel 11
        $wait = static fn () => usleep(random_int(0, 3000));
        $check = static fn (bool $ok, string $what) => $ok || throw new LogicException("leaked: {$what}");

        for ($round = 0; $round < $rounds; $round++) {
            App::setLocale("l{$id}");
            $hasContext && Context::add('id', $id);
            config(['app.name' => "n{$id}"]);
            Log::shareContext(['id' => $id]);
            self::$count = $id;
            $wait();
            $check(App::getLocale() === "l{$id}", 'locale');
            $check(! $hasContext || Context::get('id') === $id, 'context');
            $check(config('app.name') === "n{$id}", 'config');
            $check(Log::sharedContext() === ['id' => $id], 'log context');
            $check(app() === $app, 'container');
            $check(self::$count === $id, 'static property');

            if ($id % 2) {
                Model::unguard();
                $wait();
                $check(Model::isUnguarded(), 'unguarded lost');
                Model::reguard();
            } else {
                $wait();
                $check(! Model::isUnguarded(), 'unguarded leaked');
            }

            if ($id % 3) {
                Relation::noConstraints(static function () use ($check, $wait, $constraints): void {
                    $wait();
                    $check($constraints->getValue() === false, 'noConstraints lost');
                });
            } else {
                $wait();
                $check($constraints->getValue() === true, 'noConstraints leaked');
            }

            ob_start();
            echo "a{$id}";
            $wait();
            echo "b{$id}";
            $check(ob_get_clean() === "a{$id}b{$id}", 'output buffer');

            set_error_handler(static fn () => throw new RuntimeException("handler {$id}"));
            $wait();

            try {
                trigger_error('test');
                $check(false, 'error handler lost');
            } catch (RuntimeException $e) {
                $check($e->getMessage() === "handler {$id}", 'error handler');
            }

            restore_error_handler();

            Carbon::setTestNow(Carbon::createFromTimestamp($id));
            $wait();
            $check(now()->getTimestamp() === $id, 'test clock');
            Carbon::setTestNow();

            $check(DB::transactionLevel() === 0, 'transaction level');
        }
    }
}
