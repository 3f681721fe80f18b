<?php

/** What a worker prints; the lines of all other cases with a worker of their own are compared too. */

declare(strict_types=1);

use KQueue\Tests\Oracle\App\Actions;
use KQueue\Tests\Oracle\App\MethodJob;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$mixed = static function (Scene $scene): void {
    $scene->push(
        $scene->job('nothing'), $scene->job('throws'), $scene->job('throwsBelow', 2)->with(['tries' => 2]), $scene->job('fails', 'no'),
        $scene->job('releases', 2)->with(['tries' => 2]), $scene->job('deletes'),
    );
};
$case = static fn (array $arguments, array $environment = [], array $config = [], array $allow = []): OracleCase => new OracleCase(
    $mixed, ['--stop-when-empty', '--sleep=0', ...$arguments], environment: $environment, config: $config, allow: $allow, inOrder: true, on: ['database'],
);

return [
    'lines of jobs' => $case([]),
    'lines of jobs, by many lanes' => new OracleCase($mixed, ['--stop-when-empty', '--sleep=0']),
    'lines of jobs, verbose' => $case(['-v'], allow: ['verbose']),
    'lines of jobs, in colour' => $case(['--ansi']),
    'lines of jobs, in a narrow terminal' => $case([], ['COLUMNS' => '40']),
    'lines of jobs, in a wide terminal' => $case([], ['COLUMNS' => '150']),
    'lines of jobs, in another time zone' => $case([], config: ['queue.output_timezone' => 'Asia/Tokyo']),
    'quiet' => $case(['-q']),
    'silent' => $case(['--silent']),
    'as JSON' => $case(['--json']),
    'as JSON, by many lanes' => new OracleCase($mixed, ['--stop-when-empty', '--sleep=0', '--json']),
    'as JSON, verbose' => $case(['--json', '-v'], allow: ['verbose']),
    'as JSON, quiet' => $case(['--json', '-q']),
    'as JSON, in another time zone' => $case(['--json'], config: ['queue.output_timezone' => 'Asia/Tokyo']),
    'names that jobs give themselves' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->make(MethodJob::class, 'nothing'));
        dispatch(Actions::closure('prints its file'))->onQueue($scene->queue);
    }, ['--stop-when-empty', '--sleep=0'], inOrder: true, on: ['database']),
    'what jobs print' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('prints', 'hello')), ['--stop-when-empty', '--sleep=0'], inOrder: true, on: ['database']),
];
