<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Support\Facades\Context;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\TestWith;

/** 500 lanes, 10,000 jobs: nothing that one job changes is seen by another. */
final class TortureTest extends TestCase
{
    #[TestWith(['cloned'])]
    #[TestWith(['booted'])]
    public function test_nothing_leaks_between_jobs(string $lanes): void
    {
        $result = $this->torture(500, 10_000, $lanes);

        self::assertSame([], $result['errors']);
        self::assertSame(10_000, $result['jobs']);
        self::assertGreaterThan(450, $result['applications']);
        self::assertGreaterThan(50_000, $result['suspensions']);
    }

    /** @return array<string, array{string, string, string, list<string>}> what is left out, in which lanes, a part of the torture, and what it has to find */
    public static function leaks(): array
    {
        return [
            "Laravel's statics" => ['statics', 'cloned', 'laravel', [
                'locale', ...class_exists(Context::class) ? ['context'] : [], 'config', 'user', 'log context', 'unguard lost', 'unguard leaked',
                'noConstraints lost', 'noConstraints leaked', 'test clock', 'view',
            ]],
            'the container' => ['statics', 'booted', 'laravel', ['container']],
            'a connection to Redis' => ['statics', 'cloned', 'redis', ['redis']],
            'a connection to a database' => ['statics', 'cloned', 'database', ['transaction level', 'transaction level after']],
            'output buffers' => ['globals', 'cloned', 'buffer', ['output buffer']],
            'error handlers' => ['globals', 'cloned', 'handler', ['error handler']],
            'what a sort calls' => ['globals', 'cloned', 'sort', ['usort']],
        ];
    }

    /**
     * Without what keeps them apart, jobs take each other down: it may hang, or crash. It tells what it finds as it finds it.
     *
     * @param  list<string>  $kinds
     */
    #[DataProvider('leaks')]
    public function test_the_same_torture_finds_each_kind_of_leak_where_nothing_prevents_it(string $without, string $lanes, string $part, array $kinds): void
    {
        $this->use('redis');
        $run = $this->script('torture.php', ['20', '4000', $lanes, $part], ['KQUEUE_TEST_WITHOUT' => $without]);
        $found = static fn (): array => preg_match_all('/leak: (.*)$/m', $run->output(), $leaks) ? $leaks[1] : [];
        $this->waitFor(static fn (): bool => array_diff($kinds, $found()) === [] || ! $run->isRunning(), 'leaks of all kinds', 60);
        $run->signal(SIGKILL);
        $run->wait();

        self::assertSame([], array_values(array_diff($kinds, $found())), $run->output());
    }

    /** Everything that the torture looks at is among what is seen to be found. */
    public function test_there_is_no_check_that_was_never_seen_to_find_anything(): void
    {
        preg_match_all('/\$check\(.*\'([^\']+)\'\)/', file_get_contents(__DIR__.'/app/torture.php'), $checks);
        $context = class_exists(Context::class) ? [] : ['context'];

        self::assertSame([], array_values(array_diff($checks[1], $context, ...array_column(self::leaks(), 3))));
    }

    /** @return array<string, mixed> */
    private function torture(int $lanes, int $jobs, string $mode): array
    {
        $this->use('redis');
        $run = $this->script('torture.php', [(string) $lanes, (string) $jobs, $mode]);
        self::assertSame(0, $run->wait(300), $run->output());
        $line = strrchr(trim("\n".$run->output()), "\n") ?: $run->output();
        $result = json_decode($line, true);
        self::assertIsArray($result, $run->output());
        $this->report(sprintf(
            'torture, %s: %d jobs in %d lanes, %d suspensions, %d errors, %.1f s, %d MB',
            $mode, $result['jobs'], $result['lanes'], $result['suspensions'],
            array_sum($result['errors']), $result['seconds'], $result['rss_mb'],
        ));

        return $result;
    }
}
