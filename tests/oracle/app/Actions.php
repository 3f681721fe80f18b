<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Closure;
use Illuminate\Support\Facades\Bus;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use KQueue\Tests\E2E\App\Row;
use LogicException;
use RuntimeException;
use Throwable;
use TypeError;

use function Illuminate\Support\defer;

/** What the jobs of the cases do. */
final class Actions
{
    private static int $runs = 0;

    public static function nothing(): void {}

    public static function returns(Job $job, mixed $value): mixed
    {
        return $value;
    }

    public static function sleeps(Job $job, float $seconds): void
    {
        for ($end = microtime(true) + $seconds; ($left = $end - microtime(true)) > 0;) {
            usleep((int) ($left * 1e6));
        }
    }

    /** Until the case says so, by Scene::go(). */
    public static function waits(Job $job): void
    {
        for ($end = microtime(true) + 20; ! is_file(getenv('KQUEUE_TEST_FOLDER').'/go') && microtime(true) < $end;) {
            usleep(10_000);
        }
    }

    public static function waitsThenThrows(Job $job): void
    {
        self::waits($job);

        throw new RuntimeException('after a while');
    }

    public static function throwsUntilGo(): void
    {
        if (! is_file(getenv('KQUEUE_TEST_FOLDER').'/go')) {
            throw new RuntimeException('not yet');
        }
    }

    public static function prints(Job $job, string $text): void
    {
        echo "{$text}\n";
    }

    public static function throws(Job $job, string $message = 'as it should'): void
    {
        throw new RuntimeException($message);
    }

    public static function throwsError(): void
    {
        throw new TypeError('a type error');
    }

    public static function throwsLogic(): void
    {
        throw new LogicException('a logic error');
    }

    public static function throwsBelow(Job $job, int $attempt): void
    {
        if ($job->attempts() < $attempt) {
            throw new RuntimeException("attempt {$job->attempts()}");
        }
    }

    public static function sleepsBelow(Job $job, int $attempt, float $seconds): void
    {
        $job->attempts() < $attempt && self::sleeps($job, $seconds);
    }

    public static function sleepsInTransaction(Job $job, string $owner, float $seconds): void
    {
        DB::transaction(static function () use ($job, $owner, $seconds): void {
            Row::create(['owner' => $owner, 'kind' => 'never']);
            self::sleeps($job, $seconds);
        });
    }

    public static function fails(Job $job, mixed $why = null): void
    {
        $job->fail($why === 'an exception' ? new RuntimeException('own decision') : $why);
    }

    public static function failsThenThrows(Job $job): void
    {
        $job->fail('own decision');

        throw new RuntimeException('after it failed');
    }

    public static function releases(Job $job, int $below, int $delay = 0): void
    {
        if ($job->attempts() < $below) {
            $job->release($delay);
        }
    }

    public static function releasesThenThrows(Job $job): void
    {
        $job->release(200);

        throw new RuntimeException('after its release');
    }

    public static function deletes(Job $job): void
    {
        $job->delete();
    }

    public static function deletesThenThrows(Job $job): void
    {
        $job->delete();

        throw new RuntimeException('after it was deleted');
    }

    public static function throwsThenReleases(Job $job): void
    {
        match ($job->attempts()) {
            1, 3 => $job->release(),
            2 => throw new RuntimeException('attempt 2'),
            default => throw new RuntimeException('the second exception'),
        };
    }

    /** What a job sees that a worker sets up for it, or keeps from another job. */
    public static function looks(Job $job, string ...$at): void
    {
        foreach ($at as $what) {
            Recorder::did("sees {$what}:", match ($what) {
                'context' => class_exists(Context::class) ? Context::all() : null,
                'hidden context' => Context::allHidden(),
                'log context' => Log::sharedContext(),
                'scoped' => app('scoped')->value++,
                'singleton' => app('single')->value++,
                'static' => self::$runs++,
                'locale' => app()->getLocale(),
                'transactions' => DB::transactionLevel(),
                'query log' => DB::logging(),
                'running in console' => app()->runningInConsole(),
                'job' => [$job->job->getConnectionName(), $job->job->getQueue(), $job->job->getName(), $job->job->resolveName(), $job->job->maxTries(), $job->job->timeout()],
                'tells' => [$job->job->isDeleted(), $job->job->isReleased(), $job->job->hasFailed(), $job->job->attempts()],
                'arguments' => $job->arguments,
                'batch' => [$job->batch()?->name, $job->batch()?->totalJobs, $job->batching()],
                'model' => [$job->row->owner, $job->row->kind, $job->row->relationLoaded('children') ? $job->row->children->count() : 'no children'],
            });
        }
    }

    public static function leavesThings(): void
    {
        class_exists(Context::class) && Context::add('left', 'behind');
        Log::shareContext(['left' => 'behind']);
        app('scoped')->value = 100;
        app('single')->value = 100;
        self::$runs = 100;
        app()->setLocale('de');
    }

    public static function addsContext(Job $job, Job $next): void
    {
        Context::add('from', 'the first job');
        Context::addHidden('secret', 'of the first job');
        dispatch($next);
    }

    public static function dispatches(Job $job, Job ...$others): void
    {
        foreach ($others as $other) {
            dispatch($other);
        }
    }

    public static function dispatchesSync(Job $job, Job $other): void
    {
        dispatch_sync($other);
    }

    public static function defers(): void
    {
        defer(static fn () => Recorder::did('deferred'));
    }

    public static function defersAndThrows(): void
    {
        defer(static fn () => Recorder::did('deferred'));
        defer(static fn () => Recorder::did('deferred always'), always: true);

        throw new RuntimeException('with deferred');
    }

    public static function dispatchesInTransaction(Job $job, Job $other, bool $commit): void
    {
        try {
            DB::transaction(static function () use ($other, $commit): void {
                dispatch($other);
                Recorder::did('dispatched in a transaction');
                $commit || throw new RuntimeException('rolled back');
            });
        } catch (RuntimeException) {
            Recorder::did('rolled back');
        }
    }

    public static function writes(Job $job, string $owner): void
    {
        DB::transaction(static fn () => Row::create(['owner' => $owner, 'kind' => 'written']));
    }

    public static function writesThenThrows(Job $job, string $owner): void
    {
        DB::transaction(static function () use ($owner): void {
            Row::create(['owner' => $owner, 'kind' => 'never']);

            throw new RuntimeException('in a transaction');
        });
    }

    /** Whether the lock is free while the job runs; it is left as it was. */
    public static function triesLock(Job $job, string $lock, int $throwsBelow = 0): void
    {
        $free = Cache::lock($lock, 10)->get();
        $free && Cache::lock($lock)->forceRelease();
        Recorder::did('the lock is', $free ? 'free' : 'taken');

        self::throwsBelow($job, $throwsBelow);
    }

    public static function cancelsBatch(BatchJob $job): void
    {
        $job->batch()->cancel();
    }

    public static function addsToBatch(BatchJob $job, BatchJob ...$jobs): void
    {
        $job->batch()->add($jobs);
    }

    public static function chainsBefore(Job $job, Job $other): void
    {
        $job->prependToChain($other);
    }

    public static function chainsAfter(Job $job, Job $other): void
    {
        $job->appendToChain($other);
    }

    public static function dispatchesChain(Job $job, Job ...$links): void
    {
        Bus::chain($links)->dispatch();
    }

    public static function dispatchesBatch(Job $job, string $queue, Job ...$jobs): void
    {
        Bus::batch($jobs)->name($queue)->onQueue($queue)->then(self::notes($queue, 'then'))->dispatch();
    }

    public static function lostConnection(): void
    {
        throw new RuntimeException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away');
    }

    public static function untilInterrupted(InterruptibleJob $job): void
    {
        for ($end = microtime(true) + 20; ! $job->interrupted && microtime(true) < $end;) {
            if (is_file(getenv('KQUEUE_TEST_FOLDER').'/go')) {
                return;
            }

            usleep(10_000);
        }
    }

    public static function artisan(Job $job, string $command): void
    {
        Recorder::did('artisan', \Illuminate\Support\Facades\Artisan::call($command));
    }

    public static function puts(Job $job, string $key, mixed $value): void
    {
        Cache::forever($key, $value);
    }

    /** A closure that workers can unserialize: its scope is a class that they can load. */
    public static function closure(string $what): Closure
    {
        return static function () use ($what): void {
            Recorder::did('closure', $what);
            $what !== 'throws' || throw new RuntimeException('in a closure');
        };
    }

    public static function catching(): Closure
    {
        return static fn (Throwable $e) => Recorder::did('catches', $e);
    }

    public static function notes(string $queue, string $what): Closure
    {
        return static function (mixed $batch = null, ?Throwable $e = null) use ($queue, $what): void {
            Recorder::note($queue, trim("{$what} ".($e ?? ($batch instanceof Throwable ? $batch : null))?->getMessage()));
        };
    }
}
