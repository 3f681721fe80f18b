<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle;

use Illuminate\Foundation\Application;
use Illuminate\Queue\WorkerStopReason;
use KQueue\Tests\Oracle\Support\Allowances;
use KQueue\Tests\Oracle\Support\Cases;
use KQueue\Tests\Oracle\Support\Difference;
use KQueue\Tests\Oracle\Support\Installed;
use KQueue\Tests\Oracle\Support\OracleCase;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;

/** queue:work is the oracle: kqueue:run has to do and to leave the same. */
final class OracleTest extends TestCase
{
    /** @return array<string, array{string, string, string}> */
    public static function cases(): array
    {
        return Cases::forTests();
    }

    #[DataProvider('cases')]
    public function test_same_as_queue_work(string $name, string $connection, string $mode): void
    {
        $this->skipIfImpossible($name);

        $expected = Cases::result($name, $connection, 'queue:work');
        $actual = Cases::result($name, $connection, $mode);

        self::assertNotEmpty($expected['jobs'] + $expected['left'] + ($expected['worker'] ?? []), 'nothing happened');

        $this->assertSameTrace($expected, $actual, $mode, Cases::all()[$name]->allow);
    }

    /** @return array<string, array{int, string, string}> */
    public static function workers(): array
    {
        return Cases::forWorkers();
    }

    #[DataProvider('workers')]
    public function test_the_worker_that_cases_share(int $number, string $connection, string $mode): void
    {
        $expected = Cases::resultOfWorker($number, $connection, 'queue:work');
        $actual = Cases::resultOfWorker($number, $connection, $mode);

        $this->assertSameTrace($expected, $actual, $mode);
    }

    /** @return array<string, array{string, string}> a case's name, and a key of allowances.php that it names */
    public static function allowed(): array
    {
        $allowed = [];

        foreach (Cases::all() as $name => $case) {
            foreach ($case->allow as $key) {
                $allowed["{$key}: {$name}"] = [$name, $key];
            }
        }

        return $allowed;
    }

    #[DataProvider('allowed')]
    public function test_a_case_allows_only_what_differs(string $name, string $key): void
    {
        $this->skipIfImpossible($name);

        $case = Cases::all()[$name];
        $differs = false;

        foreach ($case->on as $connection) {
            foreach (['inline', 'isolated'] as $mode) {
                $expected = Cases::result($name, $connection, 'queue:work');
                $actual = Cases::result($name, $connection, $mode);
                Allowances::apply([...array_diff($case->allow, [$key]), ...Allowances::ALWAYS], $expected, $actual, $mode);
                $differs = $differs || Difference::between($expected, $actual) !== [];
            }
        }

        if (! $differs && ! Installed::has(WorkerStopReason::class)) {
            self::markTestSkipped('What differs does not show with Laravel '.Application::VERSION.'.');
        }

        self::assertTrue($differs, "The case needs no allowance [{$key}] any more.");
    }

    public function test_the_documents_have_the_same_differences(): void
    {
        $document = (string) file_get_contents(dirname(__DIR__, 2).'/docs/laravel.md');
        preg_match('/^## Differences from queue:work$(.*?)^## /ms', $document, $section);
        preg_match_all('/^\| `([a-z-]+)` \|/m', $section[1], $rows);
        $used = array_unique(array_merge(Allowances::ALWAYS, ...array_values(array_map(static fn (OracleCase $case): array => $case->allow, Cases::all()))));

        self::assertSame($rows[1], array_unique($rows[1]), 'one row for each difference');
        self::assertEqualsCanonicalizing($rows[1], array_keys(Allowances::all()), 'the rows of docs/laravel.md and the keys of allowances.php');
        self::assertEqualsCanonicalizing(array_keys(array_filter(Allowances::all())), array_values($used), 'the allowances that cases name');
    }

    private function skipIfImpossible(string $name): void
    {
        $case = Cases::all()[$name];
        $case->canBePlayed() || self::markTestSkipped('Laravel '.Application::VERSION." does not have {$case->needs}.");
    }

    /**
     * @param  array<string, mixed>  $expected
     * @param  array<string, mixed>  $actual
     * @param  list<string>  $allow
     */
    private function assertSameTrace(array $expected, array $actual, string $mode, array $allow = []): void
    {
        Allowances::apply([...$allow, ...Allowances::ALWAYS], $expected, $actual, $mode);
        $differences = Difference::between($expected, $actual);

        self::assertTrue($differences === [], "It differs from queue:work.\n\n".implode("\n", $differences)."\n");
    }
}
