<?php

/** What depends on the driver: keys and rows, delays, blocking, payloads, failed jobs' stores. */

declare(strict_types=1);

use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Queue;
use Illuminate\Support\Facades\Schema;
use KQueue\Tests\Oracle\App\StringJob;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$empty = ['--stop-when-empty', '--sleep=0'];
$redis = static fn (Closure $before, array $config = [], ?array $arguments = null, ?Closure $meanwhile = null): OracleCase => new OracleCase(
    $before, $arguments ?? $empty, $meanwhile, config: $config, on: ['redis'], inOrder: true,
);
$database = static fn (Closure $before, array $config = [], ?Closure $after = null): OracleCase => new OracleCase(
    $before, $empty, after: $after, config: $config, on: ['database'], inOrder: true,
);
$throws = static fn (Scene $scene) => $scene->push($scene->job('throws'));

return [
    'a large payload' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('nothing')->with(['arguments' => [str_repeat('large ', 50_000)]]))),
    'a payload that is encoded anew by Redis' => new OracleCase(
        static fn (Scene $scene) => Queue::push(StringJob::class.'@other', ['empty' => [], 'nested' => ['a' => []], 'float' => 1.0, 'unicode' => "ä\u{1F600}", 'null' => null, 'slash' => '/', 'large' => 12345678901234], $scene->queue),
    ),
    'a queue with a strange name' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('looks', 'job')->onQueue("{$scene->queue} Ä:b{c}")), ['--queue={queue} Ä:b{c}', ...$empty], inOrder: true,
    ),
    'connections that dispatch after commits' => new OracleCase(static fn (Scene $scene) => $scene->push(
        $scene->job('dispatchesInTransaction', $scene->job('nothing')->with(['label' => 'never']), false),
        $scene->job('dispatchesInTransaction', $scene->job('nothing')->with(['label' => 'after']), true)->with(['label' => 'committing']),
    ), $empty, config: ['queue.connections.database.after_commit' => true, 'queue.connections.redis.after_commit' => true], inOrder: true),
    'a raw payload with nothing but a job' => new OracleCase(
        static fn (Scene $scene) => Queue::pushRaw(json_encode(['job' => StringJob::class.'@fire', 'data' => ['raw' => true], 'attempts' => 0, 'id' => 'raw', 'uuid' => '11111111-2222-3333-4444-555555555555', 'displayName' => 'Raw']), $scene->queue),
        $empty,
        inOrder: true,
    ),
    'a payload that is no JSON' => new OracleCase(static function (Scene $scene): void {
        Queue::pushRaw('{"job": broken', $scene->queue);
        $scene->pushNothing('behind');
    }, $empty, on: ['database'], allow: ['unreadable'], inOrder: true),
    'a payload that is no JSON, which Redis refuses' => $redis(static fn (Scene $scene) => Queue::pushRaw('{"job": broken', $scene->queue)),
    'a delayed job becomes due while it waits' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('nothing')->delay(1)), ['--max-jobs=1', '--sleep=0.1'], inOrder: true, mayIdle: true),
    'delayed jobs in the order in which they are due' => new OracleCase(static fn (Scene $scene) => $scene->push(
        $scene->job('nothing')->with(['label' => 'second'])->delay(5), $scene->job('nothing')->with(['label' => 'first'])->delay(1),
    ), ['--max-jobs=2', '--sleep=0.1'], inOrder: true, mayIdle: true),
    'a job that comes while it is idle' => new OracleCase(static fn () => null, ['--max-jobs=1', '--sleep=0.1'], static function (Scene $scene): void {
        $scene->waitUntilIdle();
        $scene->pushNothing('a');
    }, inOrder: true),
    'an exception before the job is fired by the queue' => new OracleCase(
        static fn (Scene $scene) => Queue::pushRaw(json_encode(['uuid' => '11111111-2222-3333-4444-555555555555', 'displayName' => 'None', 'job' => 'None@none', 'data' => [], 'maxTries' => 2, 'id' => 'raw', 'attempts' => 0]), $scene->queue),
        $empty,
        inOrder: true,
    ),

    'block_for, a job comes' => $redis(static fn () => null, ['queue.connections.redis.block_for' => 2], ['--max-jobs=1', '--sleep=0'], static function (Scene $scene): void {
        $scene->waitFor('JobPopping');
        usleep(300_000);
        $scene->pushNothing('a');
    }),
    'block_for, nothing comes' => $redis(static fn () => null, ['queue.connections.redis.block_for' => 1]),
    'block_for, a job comes on the second queue' => $redis(
        static fn () => null, ['queue.connections.redis.block_for' => 1], ['--max-jobs=2', '--sleep=0', '--queue={queue}-a,{queue}-b'],
        static function (Scene $scene): void {
            $scene->waitFor('JobPopping');
            $scene->pushOn('b', 'b 1', 'b 2');
        },
    ),
    'migration_batch_size' => new OracleCase(static function (Scene $scene): void {
        foreach (range(1, 5) as $i) {
            $scene->push($scene->job('nothing')->with(['label' => "delayed {$i}"])->delay(1));
        }
        sleep(2);
    }, $empty, config: ['queue.connections.redis.migration_batch_size' => 2], on: ['redis']),
    'a queue in another Redis database' => $redis(
        static fn (Scene $scene) => $scene->pushNothing('a'),
        ['queue.connections.redis.connection' => 'second', 'database.redis.second' => ['host' => '127.0.0.1', 'port' => '{port}', 'database' => '{database}']],
    ),
    'no reservation ends' => $redis(static function (Scene $scene): void {
        $scene->pushNothing('taken', 'free');
        $scene->app['queue']->connection('redis')->pop($scene->queue);
    }, ['queue.connections.redis.retry_after' => null]),

    'jobs in another table' => $database(static function (Scene $scene): void {
        Schema::rename('jobs', 'other_jobs');
        $scene->push($scene->job('throwsBelow', 2)->with(['tries' => 2]));
    }, ['queue.connections.database.table' => 'other_jobs'], static fn () => Schema::rename('other_jobs', 'jobs')),
    'a released job is a new row' => $database(static fn (Scene $scene) => $scene->push($scene->job('releases', 2, 300)->with(['tries' => 2]), $scene->job('nothing'))),
    'failed jobs by number' => $database(static function (Scene $scene) use ($throws): void {
        $throws($scene);
        Schema::dropColumns('failed_jobs', 'uuid');
    }, ['queue.failed.driver' => 'database']),
    'failed jobs in a file' => $database($throws, ['queue.failed' => ['driver' => 'file', 'path' => '{folder}/failed.json']]),
    'failed jobs nowhere' => $database($throws, ['queue.failed' => ['driver' => 'null']]),
    'failed jobs cannot be stored' => $database(static function (Scene $scene) use ($throws): void {
        $throws($scene);
        Schema::rename('failed_jobs', 'away');
    }, [], static fn () => Schema::rename('away', 'failed_jobs')),
    'batches cannot be stored' => $database(static function (Scene $scene): void {
        $scene->batch($scene->batchJob('nothing'))->dispatch();
        Schema::rename('job_batches', 'away');
    }, [], static fn () => Schema::rename('away', 'job_batches')),
    'a failed job is queued again' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throwsUntilGo')), ['--max-jobs=2', '--sleep=0.1', '--tries=1'], static function (Scene $scene): void {
        $scene->waitFor('reported');
        $scene->waitUntil(static fn (): bool => DB::table('failed_jobs')->exists(), 'the failed job');
        $scene->go();
        $scene->artisan('queue:retry', ['id' => ['all']]);
    }, inOrder: true),
    'the queue is cleared while it runs' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('waits'), $scene->job('nothing')), $empty, static function (Scene $scene): void {
        $scene->waitFor('handle 1');
        $scene->artisan('queue:clear', ['connection' => getenv('KQUEUE_TEST_CONNECTION'), '--queue' => $scene->queue, '--force' => true]);
        $scene->go();
    }, inOrder: true),
];
