<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Carbon\Carbon;
use Closure;
use Illuminate\Container\Container;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\Relation;
use Illuminate\Support\Facades\App;
use Illuminate\Support\Facades\Concurrency;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Redis;
use LogicException;
use ReflectionProperty;
use RuntimeException;
use Throwable;

/** What jobs of these tests do. */
final class Actions
{
    public static int $count = 0;

    public static function nothing(): void {}

    public static function sleep(Act $job, float $seconds): void
    {
        usleep((int) ($seconds * 1e6));
    }

    public static function waits(Act $job, string $how, float $seconds, int $which): void
    {
        Trace::add('result', [$which, Waits::{$how}($seconds, $which)]);
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

    public static function spin(Act $job, float $seconds): void
    {
        for ($end = microtime(true) + $seconds; microtime(true) < $end;) {
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

    public static function fatal(): void
    {
        eval('function kqueue_e2e_twice() {} function kqueue_e2e_twice() {}');
    }

    public static function memory(): void
    {
        for ($all = []; true;) {
            $all[] = str_repeat('x', 1 << 20);
        }
    }

    public static function queuesAnother(Act $job, string $action, mixed ...$arguments): void
    {
        dispatch(new Act($action, ...$arguments));
    }

    public static function releases(Act $job, int $until): void
    {
        if ($job->attempts() < $until) {
            $job->release();
        }
    }

    public static function leavesTransaction(Act $job, string $owner): void
    {
        DB::beginTransaction();
        Row::create(['owner' => $owner, 'kind' => 'never']);
        throw new RuntimeException('left open');
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

    public static function feature(Act $job, string $feature, string $name, string $partner): void
    {
        Features::pair($feature, $name, $partner);
    }

    /** Changes what would be shared by two jobs in one process, waits inside each change, and looks whether it is still its own. */
    public static function torture(Act $job, int $id, int $rounds): void
    {
        $app = Container::getInstance();
        $constraints = new ReflectionProperty(Relation::class, 'constraints');
        $wait = static fn () => usleep(random_int(0, 3000));
        $check = static fn (bool $ok, string $what) => $ok || throw new LogicException("leaked: {$what}");

        for ($round = 0; $round < $rounds; $round++) {
            App::setLocale("l{$id}");
            Context::add('id', $id);
            config(['app.name' => "n{$id}"]);
            Log::shareContext(['id' => $id]);
            self::$count = $id;
            $wait();
            $check(App::getLocale() === "l{$id}", 'locale');
            $check(Context::get('id') === $id, 'context');
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
