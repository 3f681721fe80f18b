<?php

/** What a worker prints; the lines of all other cases with a worker of their own are compared too. */

declare(strict_types=1);

use Illuminate\Queue\Console\WorkCommand;
use KQueue\Tests\Oracle\App\Actions;
use KQueue\Tests\Oracle\App\MethodJob;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;
use Symfony\Component\Console\Output\OutputInterface;

$mixed = static function (Scene $scene): void {
    $scene->push(
        $scene->job('nothing'), $scene->job('throws'), $scene->job('throwsBelow', 2)->with(['tries' => 2]), $scene->job('fails', 'no'),
        $scene->job('releases', 2)->with(['tries' => 2]), $scene->job('deletes'),
    );
};
$case = static fn (array $arguments, array $environment = [], array $config = [], array $allow = [], ?string $needs = null): OracleCase => new OracleCase(
    $mixed, ['--stop-when-empty', '--sleep=0', ...$arguments], environment: $environment, config: $config, allow: $allow, needs: $needs, inOrder: true, on: ['database'],
);

return [
    'lines of jobs' => $case([]),
    'lines of jobs, by many lanes' => new OracleCase($mixed, ['--stop-when-empty', '--sleep=0']),
    'lines of jobs, verbose' => $case(['-v'], ['COLUMNS' => '160'], allow: ['verbose'], needs: WorkCommand::class.'::writeOutputForCli'),
    'lines of jobs, in colour' => $case(['--ansi']),
    'lines of jobs, in a narrow terminal' => $case([], ['COLUMNS' => '40']),
    'lines of jobs, in a wide terminal' => $case([], ['COLUMNS' => '150']),
    'lines of jobs, in another time zone' => $case([], config: ['queue.output_timezone' => 'Asia/Tokyo']),
    'quiet' => $case(['-q']),
    'silent' => $case(['--silent'], needs: OutputInterface::class.'::VERBOSITY_SILENT'),
    'as JSON' => $case(['--json'], needs: '--json'),
    'as JSON, by many lanes' => new OracleCase($mixed, ['--stop-when-empty', '--sleep=0', '--json'], needs: '--json'),
    'as JSON, verbose' => $case(['--json', '-v'], allow: ['verbose'], needs: '--json'),
    'as JSON, quiet' => $case(['--json', '-q'], needs: '--json'),
    'as JSON, in another time zone' => $case(['--json'], config: ['queue.output_timezone' => 'Asia/Tokyo'], needs: '--json'),
    'names that jobs give themselves' => new OracleCase(static function (Scene $scene): void {
        $scene->push($scene->make(MethodJob::class, 'nothing'));
        dispatch(Actions::closure('prints its file'))->onQueue($scene->queue);
    }, ['--stop-when-empty', '--sleep=0'], inOrder: true, on: ['database']),
    'what jobs print' => new OracleCase(static fn (Scene $scene) => $scene->push($scene->job('prints', 'hello')), ['--stop-when-empty', '--sleep=0'], inOrder: true, on: ['database']),
];
