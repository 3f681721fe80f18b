<?php

/** Job middleware. What would make jobs wait for each other is held from outside, so that it is the same for one job at a time and many. */

declare(strict_types=1);

use Illuminate\Queue\Middleware\FailOnException;
use Illuminate\Queue\Middleware\RateLimited;
use Illuminate\Queue\Middleware\RateLimitedWithRedis;
use Illuminate\Queue\Middleware\Release;
use Illuminate\Queue\Middleware\Skip;
use Illuminate\Queue\Middleware\SkipIfBatchCancelled;
use Illuminate\Queue\Middleware\ThrottlesExceptions;
use Illuminate\Queue\Middleware\ThrottlesExceptionsWithRedis;
use Illuminate\Queue\Middleware\WithoutOverlapping;
use Illuminate\Support\Facades\Cache;
use KQueue\Tests\Oracle\App\Job;
use KQueue\Tests\Oracle\App\MethodJob;
use KQueue\Tests\Oracle\App\Settling;
use KQueue\Tests\Oracle\App\StrictJob;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

/** One job through this middleware, which gets the case's own key. */
$through = static fn (callable $middleware, string $action = 'nothing', array $properties = [], mixed ...$arguments): Closure => static fn (Scene $scene) => $scene->push(
    $scene->job($action, ...$arguments)->with($properties)->through([$middleware($scene->queue)]),
);
$one = static fn (callable $middleware, string $action = 'nothing', array $properties = [], mixed ...$arguments): OracleCase => new OracleCase($through($middleware, $action, $properties, ...$arguments));
/** The same, if the installed Laravel has what the middleware needs. */
$where = static fn (string $needs, callable $middleware, string $action = 'nothing', array $properties = []): OracleCase => new OracleCase($through($middleware, $action, $properties), needs: $needs);
$settles = static fn (string $how, array $properties = []): OracleCase => $one(static fn (): Settling => new Settling($how), 'nothing', $properties);

/** The same while somebody else holds the lock of WithoutOverlapping. */
$held = static fn (callable $middleware, array $properties = []): OracleCase => new OracleCase(static function (Scene $scene) use ($through, $middleware, $properties): void {
    Cache::lock('laravel-queue-overlap:'.Job::class.":{$scene->queue}", 1000)->get();
    $through($middleware, 'nothing', $properties)($scene);
});
$redis = static fn (callable $middleware, string $action = 'nothing', array $properties = [], mixed ...$arguments): OracleCase => new OracleCase(
    $through($middleware, $action, $properties, ...$arguments), on: ['redis'],
);
$strict = static fn (string $how, int $tries, ?string $needs = null): OracleCase => new OracleCase(
    static fn (Scene $scene) => $scene->push($scene->make(StrictJob::class, 'throws')->with(['how' => $how, 'tries' => $tries])),
    needs: $needs,
);

return [
    'a middleware lets it pass' => $settles('passes'),
    'a middleware swallows it' => $settles('swallows'),
    'a middleware releases it' => $settles('releases', ['tries' => 2]),
    'a middleware releases it for long' => $settles('releases for long', ['tries' => 2]),
    'a middleware uses up its tries' => $settles('releases'),
    'a middleware deletes it' => $settles('deletes'),
    'a middleware fails it' => $settles('fails'),
    'a middleware throws' => $settles('throws', ['tries' => 2]),
    'middleware of the method come before those of the property' => new OracleCase(static fn (Scene $scene) => $scene->push(
        $scene->make(MethodJob::class, 'nothing')->with(['middlewareByMethod' => [new Settling('passes')]])->through([new Settling('swallows')]),
    )),

    'WithoutOverlapping, nobody else' => $one(static fn (string $key) => new WithoutOverlapping($key)),
    'WithoutOverlapping gives the lock back when the job throws' => $one(static fn (string $key) => new WithoutOverlapping($key), 'throwsBelow', ['tries' => 2], 2),
    'WithoutOverlapping, held: released' => $held(static fn (string $key) => (new WithoutOverlapping($key))->releaseAfter(200), ['tries' => 2]),
    'WithoutOverlapping, held: tries used up' => $held(static fn (string $key) => new WithoutOverlapping($key)),
    'WithoutOverlapping, held: not released' => $held(static fn (string $key) => (new WithoutOverlapping($key))->dontRelease()),
    'WithoutOverlapping, held under another prefix' => $held(static fn (string $key) => (new WithoutOverlapping($key))->withPrefix('other:')),
    'WithoutOverlapping that expires' => $one(static fn (string $key) => (new WithoutOverlapping($key))->expireAfter(300)),
    'WithoutOverlapping, shared between classes' => new OracleCase(static function (Scene $scene) use ($through): void {
        Cache::lock("laravel-queue-overlap:{$scene->queue}", 1000)->get();
        $through(static fn (string $key) => (new WithoutOverlapping($key))->shared()->dontRelease())($scene);
    }),

    'RateLimited, below the limit' => $one(static fn () => new RateLimited('many')),
    'RateLimited, without limit' => $one(static fn () => new RateLimited('unlimited')),
    'RateLimited, of an unknown name' => $one(static fn () => new RateLimited('unknown')),
    'RateLimited, above: released' => new OracleCase(static function (Scene $scene) use ($through): void {
        app('Illuminate\Cache\RateLimiter')->hit(md5("one{$scene->queue}"), 3600);
        $through(static fn () => (new RateLimited('one'))->releaseAfter(200), 'nothing', ['tries' => 2])($scene);
    }, needs: RateLimited::class.'::releaseAfter'),
    'RateLimited, above: released until the limit ends' => new OracleCase(static function (Scene $scene) use ($through): void {
        app('Illuminate\Cache\RateLimiter')->hit(md5("one{$scene->queue}"), 1000);
        $through(static fn () => new RateLimited('one'), 'nothing', ['tries' => 2])($scene);
    }),
    'RateLimited, above: not released' => new OracleCase(static function (Scene $scene) use ($through): void {
        app('Illuminate\Cache\RateLimiter')->hit(md5("one{$scene->queue}"), 3600);
        $through(static fn () => (new RateLimited('one'))->dontRelease())($scene);
    }),
    'RateLimited counts each attempt' => $where(RateLimited::class.'::releaseAfter', static fn () => (new RateLimited('one'))->releaseAfter(200), 'throws', ['tries' => 3]),
    'RateLimitedWithRedis, below the limit' => $redis(static fn () => new RateLimitedWithRedis('many')),
    'RateLimitedWithRedis counts each attempt' => new OracleCase(
        $through(static fn () => (new RateLimitedWithRedis('one'))->releaseAfter(200), 'throws', ['tries' => 3]), on: ['redis'], needs: RateLimited::class.'::releaseAfter',
    ),

    'ThrottlesExceptions, no exception' => $one(static fn (string $key) => (new ThrottlesExceptions(2, 1000))->by($key)),
    'ThrottlesExceptions, below: released' => $one(static fn (string $key) => (new ThrottlesExceptions(5, 1000))->by($key), 'throwsBelow', ['tries' => 3], 2),
    'ThrottlesExceptions, above: held back' => $one(static fn (string $key) => (new ThrottlesExceptions(2, 1000))->by($key), 'throws', ['tries' => 5]),
    'ThrottlesExceptions with a backoff' => $one(static fn (string $key) => (new ThrottlesExceptions(2, 1000))->by($key)->backoff(5), 'throws', ['tries' => 5]),
    'ThrottlesExceptions by job' => $one(static fn () => (new ThrottlesExceptions(2, 1000))->byJob(), 'throws', ['tries' => 5]),
    'ThrottlesExceptions that reports' => $strict('reports', 1, ThrottlesExceptions::class.'::report'),
    'ThrottlesExceptions of others' => $strict('throttles others', 2, ThrottlesExceptions::class.'::when'),
    'ThrottlesExceptions that deletes' => $strict('deletes', 2, ThrottlesExceptions::class.'::deleteWhen'),
    'ThrottlesExceptions that fails' => $strict('fails', 2, ThrottlesExceptions::class.'::failWhen'),
    'ThrottlesExceptionsWithRedis, no exception' => $redis(static fn (string $key) => (new ThrottlesExceptionsWithRedis(2, 1000))->by($key)),
    'ThrottlesExceptionsWithRedis, above: held back' => $redis(static fn (string $key) => (new ThrottlesExceptionsWithRedis(2, 1000))->by($key), 'throws', ['tries' => 5]),

    'Skip, when' => $where(Skip::class, static fn () => Skip::when(true)),
    'Skip, unless' => $where(Skip::class, static fn () => Skip::unless(true)),
    'Release, when' => $where(Release::class, static fn () => Release::when(true, 200), 'nothing', ['tries' => 2]),
    'FailOnException, of a class' => $strict('fails for this class', 5, needs: FailOnException::class),
    'FailOnException, of another class' => $strict('fails for another class', 2, needs: FailOnException::class),
    'SkipIfBatchCancelled' => new OracleCase(static function (Scene $scene): void {
        $scene->batch($scene->batchJob('nothing')->through([new SkipIfBatchCancelled]))->finally($scene->notes('finally'))->dispatch()->cancel();
    }),
];
