<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\Support\TestCase;
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

    public function test_the_same_torture_finds_leaks_without_the_exchange_of_statics(): void
    {
        self::assertNotSame([], $this->torture(20, 400, 'cloned', ['KQUEUE_TEST_WITHOUT' => 'statics'])['errors']);
    }

    /**
     * @param  array<string, string>  $environment
     * @return array<string, mixed>
     */
    private function torture(int $lanes, int $jobs, string $mode, array $environment = []): array
    {
        $this->use('redis');
        $run = $this->script('torture.php', [(string) $lanes, (string) $jobs, $mode], $environment);
        $status = $run->wait(300);

        self::assertSame($environment === [] ? 0 : 128 + SIGKILL, $status, $run->output());
        $line = strrchr(trim("\n".$run->output()), "\n") ?: $run->output();
        $result = json_decode($line, true);
        self::assertIsArray($result, $run->output());
        $this->report(sprintf(
            'torture, %s%s: %d jobs in %d lanes, %d suspensions, %d errors, %.1f s, %d MB',
            $mode, $environment === [] ? '' : ' without statics', $result['jobs'], $result['lanes'], $result['suspensions'],
            array_sum($result['errors']), $result['seconds'], $result['rss_mb'],
        ));

        return $result;
    }
}
