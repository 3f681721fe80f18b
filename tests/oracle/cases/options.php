<?php

/** The worker's options and how it ends. */

declare(strict_types=1);

use Illuminate\Queue\QueueManager;
use Illuminate\Queue\Worker;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$empty = ['--stop-when-empty', '--sleep=0'];
$nothing = static fn (string ...$labels): Closure => static fn (Scene $scene) => $scene->pushNothing(...$labels);
$throws = static fn (Scene $scene) => $scene->push($scene->job('throws'));
$none = static fn (Scene $scene) => null;
$down = static function (Scene $scene): void {
    $scene->pushNothing('a');
    $scene->app->maintenanceMode()->activate([]);
};

$cases = [
    'no connection, no queue' => new OracleCase($nothing('a', 'b'), $empty, byDefault: true, inOrder: true),
    'the connection by name' => new OracleCase($nothing('a'), ['database', ...$empty], on: ['database'], inOrder: true),
    'another connection than the default' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('looks', 'job')->onConnection('second')),
        ['second', ...$empty],
        config: ['queue.connections.second' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90]],
        on: ['database'],
        inOrder: true,
    ),
    'the default queue of the connection' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('looks', 'job')->onQueue(null)),
        $empty,
        config: ['queue.connections.database.queue' => 'of-the-connection', 'queue.connections.redis.queue' => 'of-the-connection'],
        byDefault: true,
        inOrder: true,
    ),
    'several queues, by priority' => new OracleCase(static function (Scene $scene): void {
        $scene->pushOn('low', 'low 1', 'low 2');
        $scene->pushOn('high', 'high 1', 'high 2');
    }, ['--queue={queue}-high,{queue}-low', ...$empty], inOrder: true),
    'a job of a low queue adds one to a high queue' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('dispatches', $scene->job('nothing')->with(['label' => 'high'])->onQueue("{$scene->queue}-high"))->onQueue("{$scene->queue}-low"));
        $scene->pushOn('low', 'low 2');
    }, ['--queue={queue}-high,{queue}-low', ...$empty], inOrder: true),
    'a queue that is not asked for' => new OracleCase(static function (Scene $scene): void {
        $scene->pushNothing('a');
        $scene->pushOn('other', 'stays');
    }, $empty, inOrder: true),
    'an empty queue' => new OracleCase($none, $empty, inOrder: true),
    'a name with popUsing' => new OracleCase(static function (Scene $scene): void {
        $scene->pushOn('a', 'first');
        $scene->pushOn('b', 'second');
    }, ['--queue={queue}-b,{queue}-a', '--name=backwards', ...$empty], wiring: ['popBackwards'], inOrder: true),
    'a name without popUsing' => new OracleCase($nothing('a'), ['--name=other', ...$empty], wiring: ['popBackwards'], inOrder: true),
    'popUsing takes from paused queues too' => new OracleCase(static function (Scene $scene): void {
        $scene->pushNothing('a');
        $scene->app['queue']->pause(getenv('KQUEUE_TEST_CONNECTION'), $scene->queue);
    }, ['--name=backwards', ...$empty], wiring: ['popBackwards'], inOrder: true, needs: QueueManager::class.'::pause'),
    '--daemon' => new OracleCase($nothing('a'), ['--daemon', ...$empty], inOrder: true),

    '--once runs one job' => new OracleCase($nothing('a', 'b'), ['--once', '--sleep=0'], inOrder: true),
    '--once, nothing there' => new OracleCase($none, ['--once', '--sleep=0'], inOrder: true),
    '--once, the job throws' => new OracleCase($throws, ['--once', '--sleep=0'], inOrder: true),
    '--once, the job is retried later' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throws')->with(['tries' => 2])), ['--once', '--sleep=0'], inOrder: true),
    '--once knows no timeout' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 1.5)->with(['timeout' => 1])), ['--once', '--sleep=0', '--timeout=1'], inOrder: true),
    '--once in maintenance mode' => new OracleCase($down, ['--once', '--sleep=0'], inOrder: true),
    '--once in maintenance mode, forced' => new OracleCase($down, ['--once', '--force', '--sleep=0'], inOrder: true),
    '--once with --json' => new OracleCase($nothing('a', 'b'), ['--once', '--json', '--sleep=0'], inOrder: true, needs: '--json'),
    '--once does not look at the queues that are paused' => new OracleCase(static function (Scene $scene): void {
        $scene->pushNothing('a');
        $scene->app['queue']->pause(getenv('KQUEUE_TEST_CONNECTION'), $scene->queue);
    }, ['--once', '--sleep=0'], inOrder: true, needs: QueueManager::class.'::pause'),
    '--once, by priority' => new OracleCase(static function (Scene $scene): void {
        $scene->pushOn('low', 'low');
        $scene->pushOn('high', 'high');
    }, ['--once', '--queue={queue}-high,{queue}-low', '--sleep=0'], inOrder: true),

    '--stop-when-empty waits for what jobs queue' => new OracleCase(
        static fn (Scene $scene) => $scene->push($scene->job('dispatches', $scene->job('dispatches', $scene->job('nothing')->with(['label' => 'third']))->with(['label' => 'second']))),
        $empty,
    ),
    '--stop-when-empty leaves delayed jobs' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('nothing')->delay(500)), $empty, inOrder: true),
    '--stop-when-empty-for' => new OracleCase($nothing('a'), ['--stop-when-empty-for=1', '--sleep=0.2'], inOrder: true, needs: '--stop-when-empty-for'),
    '--stop-when-empty-for, nothing there' => new OracleCase($none, ['--stop-when-empty-for=1', '--sleep=0.2'], inOrder: true, needs: '--stop-when-empty-for'),

    '--delay is a backoff' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throws')), ['--delay=200', '--tries=3', ...$empty], inOrder: true),
    '--backoff' => new OracleCase($throws, ['--backoff=200', '--tries=3', ...$empty], inOrder: true),
    '--backoff by a list' => new OracleCase($throws, ['--backoff=0,200', '--tries=3', ...$empty], inOrder: true),
    'the job\'s backoff counts before --backoff' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throws')->with(['backoff' => 300])), ['--backoff=100', '--tries=3', ...$empty], inOrder: true),
    'the greater of --delay and --backoff' => new OracleCase($throws, ['--delay=300', '--backoff=100', '--tries=3', ...$empty], inOrder: true),

    '--max-jobs' => new OracleCase($nothing('a', 'b', 'c'), ['--max-jobs=2', '--sleep=0'], inOrder: true),
    '--max-jobs with many lanes' => new OracleCase(static function (Scene $scene): void {
        for ($i = 0; $i < 30; $i++) {
            $scene->push($scene->job('sleeps', 0.01));
        }
    }, ['--max-jobs=20', '--sleep=0'], allow: []),
    '--max-jobs counts jobs that fail' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('throws'), $scene->job('throws'), $scene->job('nothing'));
    }, ['--max-jobs=2', '--sleep=0'], inOrder: true),
    '--max-jobs counts each attempt' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('throwsBelow', 9)->with(['tries' => 9]));
    }, ['--max-jobs=2', '--sleep=0'], inOrder: true),
    '--max-jobs and the queue is empty as well' => new OracleCase($nothing('a'), ['--max-jobs=1', ...$empty], inOrder: true),
    '--max-time' => new OracleCase($nothing('a'), ['--max-time=1', '--sleep=0.2'], inOrder: true),
    '--max-time lets the running job end' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->job('sleeps', 1.5), $scene->job('nothing')->with(['label' => 'stays']));
    }, ['--max-time=1', '--sleep=0'], inOrder: true),
    '--memory ends it after a job' => new OracleCase($nothing('a', 'b'), ['--memory=1', '--sleep=0'], inOrder: true),
    '--memory ends it when idle' => new OracleCase($none, ['--memory=1', '--sleep=0'], inOrder: true),
    '--memory=0 is without limit' => new OracleCase($nothing('a', 'b'), ['--memory=0', ...$empty], inOrder: true),
    'another exit status for --memory' => new OracleCase($nothing('a'), ['--memory=1', '--sleep=0'], wiring: ['memoryExitCode'], inOrder: true, needs: Worker::class.'::memoryExceededExitCode'),
    '--rest' => new OracleCase($nothing('a', 'b'), ['--rest=0.2', ...$empty], inOrder: true),
    '--sleep as a fraction' => new OracleCase($nothing('a'), ['--stop-when-empty', '--sleep=0.3'], inOrder: true),

    'in maintenance mode' => new OracleCase($down, ['--max-time=1', '--sleep=0.2'], inOrder: true),
    'in maintenance mode, forced' => new OracleCase($down, ['--force', ...$empty], inOrder: true),
    'in maintenance mode, to end when empty' => new OracleCase($down, $empty, inOrder: true),
    'maintenance mode ends while it waits' => new OracleCase($down, ['--max-jobs=1', '--sleep=0.1'], static function (Scene $scene): void {
        usleep(700_000);
        $scene->app->maintenanceMode()->deactivate();
    }, inOrder: true),

    '--tries' => new OracleCase($throws, ['--tries=3', ...$empty], inOrder: true),
    '--tries=0 is without limit' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throwsBelow', 7)), ['--tries=0', ...$empty], inOrder: true),
    'the job\'s tries count before --tries' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throws')->with(['tries' => 2])), ['--tries=5', ...$empty], inOrder: true),
    'the job\'s tries 0 count before --tries' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('throwsBelow', 4)->with(['tries' => 0])), ['--tries=2', ...$empty], inOrder: true),
    '--timeout=0 is without limit' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 1.2)), ['--timeout=0', ...$empty], inOrder: true),
    'the job\'s timeout counts before --timeout' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 1.5)->with(['timeout' => 10])), ['--timeout=1', ...$empty], inOrder: true),
    'the job\'s timeout 0 counts before --timeout' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('sleeps', 1.5)->with(['timeout' => 0])), ['--timeout=1', ...$empty], inOrder: true),
    'all options at once' => new OracleCase($nothing('a', 'b'), [
        '--name=w', '--stop-when-empty', '--stop-when-empty-for=5', '--backoff=3', '--max-jobs=10', '--max-time=50', '--force', '--memory=1000', '--sleep=0', '--rest=0', '--timeout=20', '--tries=2', '--json',
    ], inOrder: true, needs: '--stop-when-empty-for'),
];

// What a driver has nothing to do with is tried with one of them.
foreach (array_keys($cases) as $number => $name) {
    $cases[$name] = $cases[$name]->onOneOf(['redis', 'database'], $number);
}

return $cases;
