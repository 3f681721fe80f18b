<?php

/** Attempts, retries, failures: what laravel.md calls attempts in precedence order, and the events of each way a job can end. */

declare(strict_types=1);

use KQueue\Tests\Oracle\App\AttributeJob;
use KQueue\Tests\Oracle\App\FailingFailed;
use KQueue\Tests\Oracle\App\MethodJob;
use KQueue\Tests\Oracle\App\Unreadable;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$one = static fn (string $action, array $properties = [], mixed ...$arguments): OracleCase => new OracleCase(
    static fn (Scene $scene) => $scene->push($scene->job($action, ...$arguments)->with($properties)),
);

return [
    'a job succeeds' => $one('nothing'),
    'a job that returns something' => $one('returns', [], 42),
    'several jobs' => new OracleCase(static fn (Scene $scene) => $scene->pushNothing('a', 'b', 'c')),
    'the only attempt throws' => $one('throws'),
    'an error instead of an exception' => $one('throwsError'),
    'a message with umlauts and quotes' => $one('throws', [], "Größe \"ä\" 'ß' \u{1F600}"),
    'retried until it succeeds' => $one('throwsBelow', ['tries' => 3], 3),
    'retried until its tries are used up' => $one('throws', ['tries' => 3]),
    'tries 0 is without limit' => $one('throwsBelow', ['tries' => 0], 6),
    'tries of a method' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->make(MethodJob::class, 'throws'))),
    'tries, backoff and more by attributes' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->make(AttributeJob::class, 'throws')),
        needs: 'Illuminate\Queue\Attributes\Tries',
    ),
    'maxExceptions ends it before its tries' => $one('throws', ['tries' => 10, 'maxExceptions' => 2]),
    'maxExceptions without tries' => $one('throws', ['tries' => 0, 'maxExceptions' => 3]),
    'releases are no exceptions' => $one('throwsThenReleases', ['tries' => 0, 'maxExceptions' => 2]),
    'one exception of several stays counted in the cache' => $one('throws', ['tries' => 5, 'maxExceptions' => 3, 'backoff' => 200]),
    'backoff in seconds' => $one('throws', ['tries' => 3, 'backoff' => 200]),
    'backoff by a list' => $one('throws', ['tries' => 4, 'backoff' => [0, 0, 300]]),
    'the last of a list of backoffs repeats' => $one('throws', ['tries' => 4, 'backoff' => [0, 0]]),
    'backoff of a method' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->make(MethodJob::class, 'throws')->with(['backoffByMethod' => [0, 150]]))),
    'backoff of dates' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->make(MethodJob::class, 'throws')->with(['backoffByMethod' => [now()->addSeconds(251)]]))),
    'a delay is a backoff too' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throwsBelow', 2)->with(['tries' => 2])->delay(1))),
    'retryUntil counts instead of tries' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->make(MethodJob::class, 'throwsBelow', 5)->with(['triesByMethod' => 1, 'until' => now()->addMinutes(10)])),
    ),
    'retryUntil has passed before its first attempt' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->make(MethodJob::class, 'nothing')->with(['until' => now()->subMinute()])),
    ),
    'picked up too often' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('nothing')->with(['tries' => 2]));
        $scene->setAttempts(2);
    }),
    'picked up too often for the worker' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('nothing'));
        $scene->setAttempts(1);
    }),
    'picked up once more than its exceptions allow' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('throws')->with(['tries' => 5]));
        $scene->setAttempts(4);
    }),
    'it fails itself' => $one('fails'),
    'it fails itself with a reason' => $one('fails', [], 'the reason'),
    'it fails itself with an exception' => $one('fails', [], 'an exception'),
    'it fails itself although it has tries left' => $one('fails', ['tries' => 5]),
    'it fails itself, then throws' => $one('failsThenThrows', ['tries' => 3]),
    'it releases itself' => $one('releases', ['tries' => 3], 3),
    'it releases itself for long' => $one('releases', ['tries' => 3], 3, 200),
    'it releases itself too often' => $one('releases', ['tries' => 2], 9),
    'it releases itself, then throws' => $one('releasesThenThrows', ['tries' => 3]),
    'it releases itself in its last attempt, then throws' => $one('releasesThenThrows'),
    'it deletes itself' => $one('deletes'),
    'it deletes itself, then throws' => $one('deletesThenThrows', ['tries' => 2]),
    'failed() throws' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->make(FailingFailed::class, 'throws'))),
    'it cannot be unserialized' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->make(Unreadable::class, 'nothing')->with(['tries' => 2]))),
    'it sees its job' => $one('looks', [], 'job', 'tells', 'running in console', 'transactions', 'arguments'),
    'it writes in a transaction' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('writes', $scene->queue))),
    'it throws in a transaction' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('writesThenThrows', $scene->queue)->with(['tries' => 2]))),
];
