<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use LogicException;

/** All cases of the folder cases, and the runs that they need. */
final class Cases
{
    private const CONNECTIONS = ['database', 'redis'];

    /** Cases for one worker: it looks into the queues of all of them for each job. */
    private const SHARE = 20;

    /** @var array<string, OracleCase>|null */
    private static ?array $all = null;

    private static ?Pool $pool = null;

    /** @return array<string, OracleCase> */
    public static function all(): array
    {
        if (self::$all === null) {
            self::$all = [];

            foreach (glob(dirname(__DIR__).'/cases/*.php') as $file) {
                foreach (require $file as $name => $case) {
                    isset(self::$all[$name]) && throw new LogicException("Two cases are called \"{$name}\".");
                    self::$all[$name] = $case;
                }
            }
        }

        return self::$all;
    }

    /** @return array<string, array{string, string, string}> arguments for a test: the case's name, connection, mode */
    public static function forTests(): array
    {
        $arguments = [];

        foreach (self::CONNECTIONS as $connection) {
            foreach (self::all() as $name => $case) {
                foreach (in_array($connection, $case->on, true) ? ['inline', 'isolated'] : [] as $mode) {
                    $arguments["{$name} ({$connection}, {$mode})"] = [$name, $connection, $mode];
                }
            }
        }

        return $arguments;
    }

    /** @return array<string, array{int, string, string}> arguments for a test: number of the worker, connection, mode */
    public static function forWorkers(): array
    {
        $arguments = [];

        foreach (self::CONNECTIONS as $connection) {
            foreach (array_keys(self::shared($connection)) as $number) {
                foreach (['inline', 'isolated'] as $mode) {
                    $arguments["worker {$number} ({$connection}, {$mode})"] = [$number, $connection, $mode];
                }
            }
        }

        return $arguments;
    }

    /** @return array<string, mixed> what came of the case */
    public static function result(string $name, string $connection, string $mode): array
    {
        $run = self::runs($name, $connection)[$mode];

        return self::pool()->result($run)[$run->shared ? self::queueOf($name) : ''];
    }

    /** @return array<string, mixed> what belongs to no single one of the cases that share a worker */
    public static function resultOfWorker(int $number, string $connection, string $mode): array
    {
        return self::pool()->result(self::runsOfWorker($number, $connection)[$mode])[''];
    }

    private static function pool(): Pool
    {
        if (self::$pool === null) {
            self::$pool = new Pool((int) (getenv('ORACLE_SIDE_BY_SIDE') ?: 6));

            foreach (self::forTests() as $title => [$name, $connection]) {
                if (self::all()[$name]->canBePlayed() && self::isAskedFor($title)) {
                    self::$pool->plan(...array_values(self::runs($name, $connection)));
                }
            }
        }

        return self::$pool;
    }

    /** PHPUnit's own filter, roughly: what is missed here is played when its test comes. */
    private static function isAskedFor(string $title): bool
    {
        preg_match('/--filter[= ](.+?)( -|$)/', implode(' ', $_SERVER['argv']), $filter);

        return $filter === [] || @preg_match('/'.str_replace('/', '\/', $filter[1]).'/i', $title) !== 0;
    }

    /** @return array<string, Run> by mode */
    private static function runs(string $name, string $connection): array
    {
        $case = self::all()[$name];

        if (! in_array($connection, $case->on, true)) {
            return [];
        }

        if ($case->arguments !== null) {
            return self::threeRuns($name, [self::queueOf($name) => $case], $connection, false);
        }

        foreach (self::shared($connection) as $number => $cases) {
            if (isset($cases[self::queueOf($name)])) {
                return self::runsOfWorker($number, $connection);
            }
        }
    }

    /** @return array<string, Run> by mode */
    private static function runsOfWorker(int $number, string $connection): array
    {
        return self::threeRuns("worker {$number}", self::shared($connection)[$number], $connection, true);
    }

    /**
     * @param  array<string, OracleCase>  $cases
     * @return array<string, Run> by mode
     */
    private static function threeRuns(string $name, array $cases, string $connection, bool $shared): array
    {
        $runs = [];

        foreach (Run::MODES as $mode) {
            $runs[$mode] = new Run("{$name} ({$connection}, {$mode})", $cases, $connection, $mode, $shared);
        }

        return $runs;
    }

    /** @return list<array<string, OracleCase>> for each worker that cases share these, by their queues */
    private static function shared(string $connection): array
    {
        $shared = [];

        foreach (self::all() as $name => $case) {
            if ($case->arguments === null && $case->canBePlayed() && in_array($connection, $case->on, true)) {
                $shared[self::queueOf($name)] = $case;
            }
        }

        return array_chunk($shared, self::SHARE, true);
    }

    private static function queueOf(string $name): string
    {
        return sprintf('case%03d', array_search($name, array_keys(self::all()), true));
    }
}
