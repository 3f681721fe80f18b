<?php

/** The loop: what is asked between two jobs, and by which reasons a worker ends. */

declare(strict_types=1);

use Illuminate\Foundation\Exceptions\Handler as ExceptionHandler;
use Illuminate\Queue\QueueManager;
use Illuminate\Queue\Worker;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\Schema;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$empty = ['--stop-when-empty', '--sleep=0'];
$nothing = static fn (string ...$labels): Closure => static fn (Scene $scene) => $scene->pushNothing(...$labels);
$connection = static fn (): string => getenv('KQUEUE_TEST_CONNECTION');
$wired = static fn (string $wiring, ?Closure $before = null, ?string $needs = null): OracleCase => new OracleCase(
    $before ?? $nothing('a', 'b'), $empty, wiring: [$wiring], inOrder: true, needs: $needs,
);
$pause = QueueManager::class.'::pause';

$cases = [
    'a Looping listener that objects three times' => $wired('loopingVeto'),
    'a Looping listener by Queue::looping' => $wired('queueLooping'),
    'Queue::before, after, failing and the others' => $wired('queueCallbacks', static fn (Scene $scene) => $scene->push($scene->job('nothing'), $scene->job('throwsBelow', 2)->with(['tries' => 2]), $scene->job('throws'))),
    'a JobProcessing listener throws' => $wired('throwsInProcessing'),
    'a JobProcessing listener deletes the job' => $wired('deletesInProcessing'),
    'a JobProcessing listener releases the job' => $wired('releasesInProcessing', static fn (Scene $scene) => $scene->push($scene->job('nothing')->with(['tries' => 2]))),
    'a JobProcessing listener fails the job' => $wired('failsInProcessing', $nothing('a')),
    'a JobProcessed listener throws' => $wired('throwsInProcessed'),
    'a JobExceptionOccurred listener throws' => $wired('throwsInOccurred', static fn (Scene $scene) => $scene->push($scene->job('throws')->with(['tries' => 2]))),
    'a JobFailed listener throws' => $wired('throwsInFailed', static fn (Scene $scene) => $scene->push($scene->job('throws'))),
    'an exception that is not to be retried' => $wired('dontRetry', static fn (Scene $scene) => $scene->push($scene->job('throwsLogic')->with(['tries' => 5]), $scene->job('throws')->with(['tries' => 2])), ExceptionHandler::class.'::dontRetry'),
    'exceptions of jobs are not reported' => $wired('unreported', static fn (Scene $scene) => $scene->push($scene->job('throws')), Worker::class.'::reportJobExceptions'),
    'an exception that reports itself' => $wired('reportsItself', static fn (Scene $scene) => $scene->push($scene->job('throwsLogic'))),

    'an old restart signal' => new OracleCase(static function (Scene $scene): void {
        $scene->artisan('queue:restart');
        $scene->pushNothing('a', 'b');
    }, $empty, inOrder: true),
    'queue:restart while it is idle' => new OracleCase(static fn () => null, ['--sleep=0.1'], static function (Scene $scene): void {
        $scene->waitFor('JobPopping');
        $scene->artisan('queue:restart');
    }, inOrder: true),
    'queue:restart while a job runs' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('waits'), $scene->job('nothing')->with(['label' => 'stays']));
    }, ['--sleep=0.1'], static function (Scene $scene): void {
        $scene->waitFor('handle 1');
        $scene->artisan('queue:restart');
        $scene->go();
    }, inOrder: true),
    'a job calls queue:restart' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('artisan', 'queue:restart'), $scene->job('nothing')->with(['label' => 'stays'])), ['--sleep=0.1'], inOrder: true),
    'cache:clear takes an old restart signal away' => new OracleCase(static function (Scene $scene): void {
        $scene->artisan('queue:restart');
        $scene->push($scene->job('artisan', 'cache:clear'), $scene->job('nothing')->with(['label' => 'stays']));
    }, ['--sleep=0.1'], inOrder: true, on: ['database']),
    'queue:restart where workers do not look for it' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('artisan', 'queue:restart'), $scene->job('nothing')->with(['label' => 'runs'])), $empty, wiring: ['notRestartable'], inOrder: true, needs: Worker::class.'::restartable',
    ),

    'a paused queue' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushOn('paused', 'stays');
        $scene->pushOn('other', 'runs');
        $scene->app['queue']->pause($connection(), "{$scene->queue}-paused");
    }, ['--queue={queue}-paused,{queue}-other', ...$empty], inOrder: true, needs: $pause),
    'a queue is resumed' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushNothing('a');
        $scene->app['queue']->pause($connection(), $scene->queue);
    }, ['--sleep=0.1', '--max-jobs=1'], static function (Scene $scene) use ($connection): void {
        $scene->waitFor('WorkerQueuePaused');
        $scene->app['queue']->resume($connection(), $scene->queue);
    }, inOrder: true, needs: $pause),
    'a queue is paused and resumed while it runs' => new OracleCase($nothing('a'), ['--sleep=0.1', '--max-jobs=2'], static function (Scene $scene) use ($connection): void {
        $scene->waitFor('JobAttempted');
        $scene->app['queue']->pause($connection(), $scene->queue);
        $scene->waitFor('WorkerQueuePaused');
        $scene->pushNothing('b');
        $scene->app['queue']->resume($connection(), $scene->queue);
    }, inOrder: true, mayIdle: true, needs: $pause),
    'queue:pause and queue:resume' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushNothing('a');
        $scene->artisan('queue:pause', ['queue' => "{$connection()}:{$scene->queue}"]);
    }, ['--sleep=0.1', '--max-jobs=1', '--json'], static function (Scene $scene) use ($connection): void {
        $scene->waitFor('WorkerQueuePaused');
        $scene->artisan('queue:resume', ['queue' => "{$connection()}:{$scene->queue}"]);
    }, inOrder: true, needs: $pause),
    'all queues are paused' => new OracleCase(static function (Scene $scene): void {
        $scene->pushNothing('stays');
        $scene->app['queue']->pauseAll();
    }, ['--queue={queue},{queue}-other', ...$empty], inOrder: true, needs: QueueManager::class.'::pauseAll'),
    'all queues are resumed' => new OracleCase(static function (Scene $scene): void {
        $scene->pushNothing('a');
        $scene->app['queue']->pauseAll();
    }, ['--sleep=0.1', '--max-jobs=1'], static function (Scene $scene): void {
        $scene->waitFor('WorkerQueuePaused');
        $scene->app['queue']->resumeAll();
    }, inOrder: true, needs: QueueManager::class.'::pauseAll'),
    'a queue is paused for a while' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushNothing('a');
        $scene->app['queue']->pauseFor($connection(), $scene->queue, 2);
    }, ['--sleep=0.1', '--max-jobs=1'], inOrder: true, needs: QueueManager::class.'::pauseFor'),
    'paused queues where workers do not look for it' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushNothing('a');
        $scene->app['queue']->pause($connection(), $scene->queue);
    }, $empty, wiring: ['notPausable'], inOrder: true, needs: Worker::class.'::pausable'),
    'neither restart nor pause is looked for' => $wired('withoutPolling', $nothing('a'), QueueManager::class.'::withoutInterruptionPolling'),

    'the queue cannot be read' => new OracleCase(static fn () => Schema::drop('jobs'), $empty, static fn () => null, static function (): void {
        Schema::create('jobs', static fn ($table) => $table->id());
    }, on: ['database'], inOrder: true),
    'the queue cannot be read for a while' => new OracleCase(static function (Scene $scene): void {
        $scene->pushNothing('a');
        Schema::rename('jobs', 'away');
    }, ['--max-jobs=1', '--sleep=0.1'], static function (Scene $scene): void {
        $scene->waitFor('reported');
        Schema::rename('away', 'jobs');
    }, on: ['database'], inOrder: true),
    'the queue\'s key is of another type' => new OracleCase(
        static fn (Scene $scene) => $scene->app['redis']->connection()->set("queues:{$scene->queue}", 'a string'), $empty, on: ['redis'], inOrder: true,
    ),
    'a job loses its connection' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('lostConnection')), $empty, allow: ['lost-connection']),
    'a job loses its connection, and is retried' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('lostConnection')->with(['tries' => 3, 'backoff' => 200])), $empty, allow: ['lost-connection'],
    ),
    'lost connections do not end the worker' => $wired('keepsRunning', static fn (Scene $scene) => $scene->push($scene->job('lostConnection'), $scene->job('nothing')), Worker::class.'::stopOnLostConnection'),

    'what a job leaves to the next' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('leavesThings'), $scene->job('looks', 'context', 'log context', 'scoped', 'singleton', 'static', 'locale')),
        $empty,
        inOrder: true,
    ),
    'services that are scoped to a job' => new OracleCase(
        static fn (Scene $scene) => $scene->push(...array_map(static fn () => $scene->job('looks', 'scoped', 'singleton', 'static'), [1, 2, 3])), $empty, inOrder: true,
    ),
    'context does not reach the next job' => new OracleCase(static function (Scene $scene): void {
        Context::add('who', 'the first');
        $scene->push($scene->job('looks', 'context'));
        Context::flush();
        $scene->push($scene->job('looks', 'context')->with(['label' => 'second']));
    }, $empty, inOrder: true, needs: Context::class),
    'a job that is reserved already' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushNothing('taken', 'free');
        $scene->app['queue']->connection($connection())->pop($scene->queue);
    }, $empty, inOrder: true),
    'a job whose reservation has ended' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->push($scene->job('nothing')->with(['label' => 'taken', 'tries' => 3]));
        $scene->app['queue']->connection($connection())->pop($scene->queue);
        sleep(2);
    }, $empty, config: ['queue.connections.database.retry_after' => 1, 'queue.connections.redis.retry_after' => 1], inOrder: true),
    'a job whose reservation has ended after its last attempt' => new OracleCase(static function (Scene $scene) use ($connection): void {
        $scene->pushNothing('taken');
        $scene->app['queue']->connection($connection())->pop($scene->queue);
        sleep(2);
    }, $empty, config: ['queue.connections.database.retry_after' => 1, 'queue.connections.redis.retry_after' => 1], inOrder: true),
];

// What a driver has nothing to do with is tried with one of them.
foreach (array_keys($cases) as $number => $name) {
    $cases[$name] = $cases[$name]->onOneOf(['database', 'redis'], $number);
}

return $cases;
