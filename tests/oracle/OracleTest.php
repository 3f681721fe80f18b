<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle;

use KQueue\Tests\Oracle\Support\Allowances;
use KQueue\Tests\Oracle\Support\Cases;
use KQueue\Tests\Oracle\Support\Difference;
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
