<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Config\Repository;
use Illuminate\Log\LogManager;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Row;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** Inside a lane, a job cannot tell that it is not alone in a queue:work process. */
final class LaneIsolationTest extends TestCase
{
    #[TestWith(['cloned'])]
    #[TestWith(['booted'])]
    public function test_state_of_one_job_is_not_seen_by_another(string $lanes): void
    {
        $this->push(...array_map(static fn (int $id) => new Act('torture', $id, 5), range(1, 300)));
        $begin = microtime(true);
        $run = $this->kqueue(['--concurrency=60'], ['KQUEUE_LANES' => $lanes]);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], array_values(array_unique($this->failures())));
        self::assertCount(300, Trace::all('end'));
        self::assertGreaterThan(30, count(array_unique(array_column(Trace::all('end'), 'app'))));
        $this->report(sprintf('300 jobs of the torture test, %s lanes: %.2f s', $lanes, microtime(true) - $begin));
    }

    /** The test above can fail: here lanes are made to share what they should not. */
    #[TestWith([Repository::class, 'locale'])]
    #[TestWith([LogManager::class, 'log context'])]
    public function test_a_shared_object_is_found_out(string $class, string $what): void
    {
        $this->push(...array_map(static fn (int $id) => new Act('torture', $id, 2), range(1, 20)));
        $run = $this->kqueue(['--concurrency=10'], ['KQUEUE_TEST_SHARED' => $class]);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertStringContainsString("leaked: {$what}", implode("\n", $this->failures()));
    }

    public function test_transactions_of_one_job_are_its_own(): void
    {
        $owners = array_map(static fn (int $id): string => "owner {$id}", range(1, 60));
        $this->push(...array_map(static fn (string $owner) => new Act('writes', $owner, 0.01), $owners));
        $run = $this->kqueue(['--concurrency=20'], seconds: 120);

        self::assertSame(0, $run->wait(), $run->output());

        foreach ($owners as $owner) {
            self::assertSame(crc32($owner) % 2 ? 0 : 4, Row::where('owner', $owner)->count(), $owner);
        }

        self::assertSame(['RuntimeException: rolled back'], array_values(array_unique(array_map(
            static fn (string $failure): string => strtok($failure, ' ').' '.implode(' ', array_slice(explode(' ', $failure), 1, 2)),
            $this->failures(),
        ))));
    }

    public function test_an_application_that_cannot_be_copied_is_booted_for_each_lane(): void
    {
        $this->push(...array_map(static fn (int $id) => new Act('torture', $id, 2), range(1, 50)));
        $run = $this->kqueue(['--concurrency=10'], ['KQUEUE_TEST_UNCOPYABLE' => '1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(50, Trace::all('end'));
        self::assertStringContainsString('KQueue boots the application once for each lane', $run->output());
        self::assertStringContainsString('uncopyable', $this->log());
    }

    public function test_an_application_that_logs_and_has_a_disk_while_booting_is_copied(): void
    {
        $this->push(...array_map(static fn (int $id) => new Act('torture', $id, 2), range(1, 20)));
        $run = $this->kqueue(['-v', '--concurrency=10'], ['KQUEUE_TEST_BOOT_LOGS' => '1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertCount(20, Trace::all('end'));
        self::assertStringContainsString('of the booted application', $run->output());
        self::assertStringNotContainsString('KQueue boots the application once for each lane', $run->output());
        self::assertStringContainsString('while booting', $this->log());
    }

    public function test_connections_that_booting_opens_are_closed(): void
    {
        $this->push(...array_map(static fn (int $id) => new Act('writes', "o{$id}", 0.0), range(1, 10)));
        $run = $this->kqueue(['-v'], ['KQUEUE_TEST_OPEN_CONNECTION' => '1']);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertStringContainsString('Closed what booting the application had opened: database connection [sqlite].', $run->output());
        self::assertMatchesRegularExpression('/  Hooks \(all\): \d+ slots in \d+ libraries lead to .*\bpoll\b/', $run->output());
    }
}
