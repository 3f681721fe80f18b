<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use LogicException;

/** All cases of the folder cases, and the runs that they need. */
final class Cases
{
    private const CONNECTIONS = ['database', 'redis'];

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

            self::$all = array_filter(self::$all, static fn (OracleCase $case): bool => $case->needs === null || class_exists($case->needs) || interface_exists($case->needs) || trait_exists($case->needs));
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

    /** @return array<string, mixed> what came of the case; of what is left of the shared worker if the name is empty */
    public static function result(string $name, string $connection, string $mode): array
    {
        $case = self::all()[$name] ?? null;
        $run = self::runs($name, $connection)[$mode];

        return self::pool()->result($run)[$case === null || $run->shared ? self::queueOf($name) : ''];
    }

    private static function pool(): Pool
    {
        if (self::$pool === null) {
            self::$pool = new Pool((int) (getenv('ORACLE_SIDE_BY_SIDE') ?: 6));

            // Those whose workers take longest first. With a filter, only what is asked for.
            foreach (preg_grep('/^--filter/', $_SERVER['argv']) === [] ? self::CONNECTIONS : [] as $connection) {
                foreach (['', ...array_keys(self::all())] as $name) {
                    self::$pool->plan(...array_values(self::runs($name, $connection)));
                }
            }
        }

        return self::$pool;
    }

    /** @return array<string, Run> by mode */
    private static function runs(string $name, string $connection): array
    {
        $case = self::all()[$name] ?? null;

        if ($case !== null && ! in_array($connection, $case->on, true)) {
            return [];
        }

        $shared = $case === null || $case->arguments === null;
        $cases = $shared ? self::sharing($connection) : [self::queueOf($name) => $case];
        $runs = [];

        foreach (Run::MODES as $mode) {
            $runs[$mode] = new Run(($shared ? 'shared' : $name)." ({$connection}, {$mode})", $cases, $connection, $mode, $shared);
        }

        return $runs;
    }

    /** @return array<string, OracleCase> by queue */
    private static function sharing(string $connection): array
    {
        $sharing = [];

        foreach (self::all() as $name => $case) {
            if ($case->arguments === null && in_array($connection, $case->on, true)) {
                $sharing[self::queueOf($name)] = $case;
            }
        }

        return $sharing;
    }

    private static function queueOf(string $name): string
    {
        return $name === '' ? '' : sprintf('case%03d', array_search($name, array_keys(self::all()), true));
    }
}
