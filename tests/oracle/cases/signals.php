<?php

/** Signals and timeouts. */

declare(strict_types=1);

use KQueue\Tests\Oracle\App\InterruptibleJob;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$during = static fn (int $signal): OracleCase => new OracleCase(static function (Scene $scene): void {
    $scene->push($scene->job('waits'));
    $scene->pushNothing('stays');
}, ['--sleep=0.1'], static function (Scene $scene) use ($signal): void {
    $scene->waitFor('handle 1');
    $scene->signal($signal);
    $scene->waitFor('WorkerInterrupted');
    $scene->go();
}, inOrder: true);

$idle = static fn (int $signal): OracleCase => new OracleCase(static fn () => null, ['--sleep=0.1'], static function (Scene $scene) use ($signal): void {
    $scene->waitFor('WorkerIdle');
    $scene->signal($signal);
}, inOrder: true);

/** A job that overruns its timeout of one second. */
$late = static fn (Closure $before, array $arguments = ['--stop-when-empty', '--sleep=0']): OracleCase => new OracleCase(
    $before, $arguments, allow: ['timeout'], restarted: true,
);

$cases = [
    'SIGTERM while a job runs' => $during(SIGTERM),
    'SIGINT while a job runs' => $during(SIGINT),
    'SIGQUIT while a job runs' => $during(SIGQUIT),
    'SIGTERM while it is idle' => $idle(SIGTERM),
    'SIGINT while it is idle' => $idle(SIGINT),
    'SIGQUIT while it is idle' => $idle(SIGQUIT),
    'SIGTERM while a job that will be retried runs' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('waitsThenThrows')->with(['tries' => 2])), ['--sleep=0.1'],
        static function (Scene $scene): void {
            $scene->waitFor('handle 1');
            $scene->signal(SIGTERM);
            $scene->waitFor('WorkerInterrupted');
            $scene->go();
        },
        inOrder: true,
    ),
    'SIGUSR2 pauses, SIGCONT resumes' => new OracleCase(static fn () => null, ['--sleep=0.1', '--max-jobs=1'], static function (Scene $scene): void {
        $scene->waitFor('WorkerIdle');
        $scene->signal(SIGUSR2);
        $scene->waitFor('WorkerPausing');
        $scene->pushNothing('a');
        usleep(500_000);
        $scene->signal(SIGCONT);
    }, inOrder: true),
    'SIGUSR2 while a job runs' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('waits'));
        $scene->pushNothing('later');
    }, ['--sleep=0.1', '--max-jobs=2'], static function (Scene $scene): void {
        $scene->waitFor('handle 1');
        $scene->signal(SIGUSR2);
        $scene->waitFor('WorkerPausing');
        $scene->go();
        $scene->waitFor('JobAttempted');
        usleep(400_000);
        $scene->signal(SIGCONT);
    }, inOrder: true),
    'SIGTERM while it is paused' => new OracleCase(static fn () => null, ['--sleep=0.1'], static function (Scene $scene): void {
        $scene->waitFor('WorkerIdle');
        $scene->signal(SIGUSR2);
        $scene->waitFor('WorkerPausing');
        $scene->pushNothing('stays');
        $scene->signal(SIGTERM);
    }, inOrder: true),
    'an interruptible job' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->make(InterruptibleJob::class, 'untilInterrupted')), ['--sleep=0.1'],
        static function (Scene $scene): void {
            $scene->waitFor('handle 1');
            $scene->signal(SIGTERM);
            $scene->waitFor('WorkerInterrupted');
        },
        inOrder: true,
        needs: 'Illuminate\Contracts\Queue\Interruptible',
    ),

    'a timeout in the last attempt' => $late(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 5)->with(['timeout' => 1]))),
    'a timeout by --timeout' => $late(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 5)), ['--timeout=1', '--stop-when-empty', '--sleep=0']),
    'a timeout, then a retry' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('sleepsBelow', 2, 5)->with(['timeout' => 1, 'tries' => 2])),
        ['--stop-when-empty-for=3', '--sleep=0.1'],
        config: ['queue.connections.database.retry_after' => 2, 'queue.connections.redis.retry_after' => 2],
        allow: ['timeout'],
        restarted: true,
    ),
    'failOnTimeout' => $late(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 5)->with(['timeout' => 1, 'tries' => 5, 'failOnTimeout' => true]))),
    'a timeout that is the last exception it may have' => $late(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 5)->with(['timeout' => 1, 'tries' => 5, 'maxExceptions' => 1]))),
    'a timeout in a transaction' => $late(static fn (Scene $scene) => $scene->push($scene->job('sleepsInTransaction', $scene->queue, 5)->with(['timeout' => 1]))),
    'a timeout in a batch' => $late(static fn (Scene $scene) => $scene->batch($scene->batchJob('sleeps', 5)->with(['timeout' => 1]))
        ->catch($scene->notes('catch'))->finally($scene->notes('finally'))->dispatch()),
];

// What a driver has nothing to do with is tried with one of them.
foreach (array_keys($cases) as $number => $name) {
    $cases[$name] = $cases[$name]->onOneOf(['redis', 'database'], $number);
}

return $cases;
