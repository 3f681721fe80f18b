<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Carbon\CarbonInterval;
use Illuminate\Console\OutputStyle;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Jobs\SyncJob;
use Illuminate\Support\Carbon;
use KQueue\Output\JobOutput;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\TestWith;
use RuntimeException;
use Symfony\Component\Console\Input\ArrayInput;
use Symfony\Component\Console\Output\BufferedOutput;
use Symfony\Component\Console\Output\OutputInterface;
use Throwable;

/** Laravel's own command is the oracle: the same text in the same colours. */
final class JobOutputTest extends TestCase
{
    protected function tearDown(): void
    {
        putenv('COLUMNS');
        Carbon::setTestNow();
        parent::tearDown();
    }

    /** @return iterable<string, array{int, bool, int, string, string}> */
    public static function lines(): iterable
    {
        foreach ([OutputInterface::VERBOSITY_NORMAL, OutputInterface::VERBOSITY_VERBOSE] as $verbosity) {
            foreach ([true, false] as $colours) {
                foreach ([80, 200, 20] as $width) {
                    foreach (['App\Jobs\Short', 'App\Jobs\Überweisung', 'App\\'.str_repeat('Long', 40)] as $name) {
                        foreach (['success', 'failed', 'released_after_exception'] as $status) {
                            yield "{$verbosity} {$colours} {$width} {$name} {$status}" => [$verbosity, $colours, $width, $name, $status];
                        }
                    }
                }
            }
        }
    }

    #[DataProvider('lines')]
    public function test_a_line_is_laravels(int $verbosity, bool $colours, int $width, string $name, string $status): void
    {
        if ($verbosity > OutputInterface::VERBOSITY_NORMAL && ! self::knowsJson()) {
            self::markTestSkipped('This Laravel names neither connection nor queue.');
        }

        putenv("COLUMNS={$width}");
        $job = $this->job(['displayName' => $name]);
        [$laravels, $output] = $this->laravels($verbosity, $colours, []);
        $laravels->tell($job, 'starting');
        $laravels->since(0.5);
        $laravels->tell($job, $status);
        $expected = explode("\n", trim($output->fetch(), "\n"));
        $expected = $verbosity === OutputInterface::VERBOSITY_NORMAL ? [$expected[1]] : $expected;

        $lines = $this->linesOn($output = new BufferedOutput($verbosity, $colours));
        $lines->begin($job);
        (fn () => $this->begun[$job] = [microtime(true) - 0.5, false])->call($lines);
        $lines->end($job, $status, null);
        $actual = explode("\n", trim($output->fetch(), "\n"));

        self::assertSame(array_map(self::cells(...), $expected), array_map(self::cells(...), $actual));
        self::assertSame(1, preg_match('/[A-Z]+\S*$/', end($actual)));
    }

    #[TestWith(['success', null])]
    #[TestWith(['failed', 'no luck'])]
    #[TestWith(['released_after_exception', null])]
    public function test_json_has_laravels_fields_and_more(string $status, ?string $message): void
    {
        if (! self::knowsJson()) {
            self::markTestSkipped('This Laravel writes no JSON.');
        }

        // The clock stands still: in a test that has travelled, and so that no second begins between the two.
        Carbon::setTestNow('2031-05-06 07:08:09.123456');
        $this->app['config']->set('queue.output_timezone', 'Asia/Kathmandu');
        $job = $this->job(['displayName' => 'App\Jobs\Ü', 'createdAt' => Carbon::now()->getTimestamp() - 70, 'delay' => 10]);
        $exception = $message === null ? null : new RuntimeException($message);
        [$laravels, $output] = $this->laravels(OutputInterface::VERBOSITY_NORMAL, false, ['--json' => true]);
        $laravels->tell($job, 'starting');
        $laravels->tell($job, $status, $exception);
        $expected = array_map(self::fields(...), explode("\n", trim($output->fetch())));

        $lines = $this->linesOn($output = new BufferedOutput, true);
        $lines->begin($job);
        $lines->end($job, $status, $exception);
        $actual = array_map(self::fields(...), explode("\n", trim($output->fetch())));

        self::assertCount(2, $expected);
        self::assertSame('2031-05-06T12:53:09.123456+05:45', $expected[0]['timestamp']);

        foreach ($actual as $i => $entry) {
            self::assertSame($expected[$i], array_diff_key($entry, ['wait' => 0, 'isolated' => 0, 'pid' => 0]));
            self::assertSame([false, getmypid()], [$entry['isolated'], $entry['pid']]);
            self::assertSame(60, $entry['wait']);
        }
    }

    public function test_printed_times_are_those_of_the_test(): void
    {
        Carbon::setTestNow('2031-05-06 07:08:09');

        self::assertStringContainsString('2031-05-06 07:08:09', $this->printed(['createdAt' => Carbon::now()->getTimestamp() - 125]));
        self::assertStringContainsString('2m 5s wait, ', $this->printed(['createdAt' => Carbon::now()->getTimestamp() - 125]));
        Carbon::setTestNow();
        self::assertStringContainsString(date('Y-m-d '), $this->printed([]));
    }

    public function test_the_line_says_how_long_a_job_waited(): void
    {
        self::assertStringContainsString('2m 5s wait, ', $this->printed(['createdAt' => time() - 125]));
        self::assertStringNotContainsString('wait', $this->printed(['createdAt' => time()]));
        self::assertStringNotContainsString('wait', $this->printed(['createdAt' => time() - 125], 2), 'a retry');
        self::assertStringNotContainsString('wait', $this->printed([]), 'Laravel 10 and 11');
    }

    public function test_one_line_for_a_job_that_fails_itself_and_two_objects(): void
    {
        $job = $this->job([]);
        $printed = function (bool $json) use ($job): string {
            $lines = $this->linesOn($output = new BufferedOutput, $json);
            $lines->begin($job);
            $lines->end($job, 'failed', new RuntimeException);
            $lines->end($job, 'success', null);
            $lines->begin($job);
            $lines->end($job, 'success', null);

            return trim($output->fetch());
        };

        self::assertSame(['FAIL', 'DONE'], array_map(static fn (string $line): string => substr($line, -4), explode("\n", $printed(false))));
        self::assertSame(['starting', 'failed', 'success', 'starting', 'success'], array_map(static fn (string $line): string => json_decode($line)->status, explode("\n", $printed(true))));
    }

    public function test_a_failure_of_a_job_that_did_not_begin_here_has_no_duration(): void
    {
        $this->linesOn($output = new BufferedOutput)->end($this->job([]), 'failed', null);
        self::assertMatchesRegularExpression('/ Some\\\\Job \.+\s+FAIL$/', trim($output->fetch()));

        $this->linesOn($output = new BufferedOutput, true)->end($this->job([]), 'failed', null);
        self::assertArrayNotHasKey('duration', json_decode($output->fetch(), true));
    }

    public function test_names_cannot_forge_lines(): void
    {
        $printed = $this->printed(['displayName' => "Job\n  2026-01-01 00:00:00 Other \e[32mDONE<info>"]);

        self::assertSame(1, substr_count($printed, "\n"));
        self::assertStringNotContainsString("\e", $printed);
        self::assertStringContainsString('<info>', $printed);
    }

    public function test_quiet_is_quiet(): void
    {
        $lines = $this->linesOn($output = new BufferedOutput(OutputInterface::VERBOSITY_QUIET), true);
        $lines->begin($this->job([]));
        $lines->end($this->job([]), 'failed', null);

        self::assertSame('', $output->fetch());
    }

    #[TestWith([0.00001])]
    #[TestWith([0.0123])]
    #[TestWith([0.99999])]
    #[TestWith([1.5])]
    #[TestWith([59.99])]
    #[TestWith([60.0])]
    #[TestWith([3605.2])]
    #[TestWith([90061.0])]
    #[TestWith([86400.0 * 16 + 7])]
    public function test_durations_are_laravels(float $seconds): void
    {
        $expected = $seconds > 1 ? CarbonInterval::milliseconds($seconds * 1000)->cascade()->forHumans(short: true) : number_format($seconds * 1000, 2).'ms';

        self::assertSame($expected, JobOutput::duration($seconds));
    }

    /** @param  array<string, mixed>  $payload */
    private function printed(array $payload, int $attempts = 1): string
    {
        $lines = $this->linesOn($output = new BufferedOutput);
        $job = $this->job($payload, $attempts);
        $lines->begin($job);
        $lines->end($job, 'success', null);

        return $output->fetch();
    }

    private function linesOn(BufferedOutput $output, bool $json = false): JobOutput
    {
        return new JobOutput($output, $json, $this->app['config']);
    }

    /** @param  array<string, mixed>  $payload */
    private function job(array $payload, int $attempts = 1): Job
    {
        $payload += ['uuid' => 'some-uuid', 'displayName' => 'Some\Job', 'job' => 'Some\Job@handle', 'data' => []];

        return new class($this->app, json_encode($payload), 'redis', 'emails', $attempts) extends SyncJob
        {
            public function __construct($app, string $payload, string $connection, string $queue, private readonly int $attempts)
            {
                parent::__construct($app, $payload, $connection, $queue);
            }

            public function getJobId()
            {
                return 'abc123';
            }

            public function attempts()
            {
                return $this->attempts;
            }
        };
    }

    /**
     * @param  array<string, mixed>  $options
     * @return array{object, BufferedOutput}
     */
    private function laravels(int $verbosity, bool $colours, array $options): array
    {
        $command = new class($this->app['queue.worker'], $this->app['cache.store']) extends WorkCommand
        {
            public function tell(Job $job, string $status, ?Throwable $exception = null): void
            {
                $this->writeOutput($job, $status, $exception);
            }

            public function since(float $seconds): void
            {
                $this->latestStartedAt = microtime(true) - $seconds;
            }
        };
        $output = new BufferedOutput($verbosity, $colours);
        $command->setLaravel($this->app);
        $command->setInput($input = new ArrayInput($options, $command->getDefinition()));
        $command->setOutput(new OutputStyle($input, $output));

        return [$command, $output];
    }

    private static function knowsJson(): bool
    {
        return method_exists(WorkCommand::class, 'outputUsingJson');
    }

    /** @return list<array{string, string}> each visible character with the colours it has; digits are all the same */
    private static function cells(string $line): array
    {
        $cells = [];
        $state = '';

        foreach (preg_split('/(\e\[[\d;]*m)/', $line, flags: PREG_SPLIT_DELIM_CAPTURE) as $part) {
            if (str_starts_with($part, "\e")) {
                $state = in_array($part, ["\e[39m", "\e[39;22m"], true) ? '' : $part;

                continue;
            }

            foreach (mb_str_split($part) as $character) {
                $cells[] = [ctype_digit($character) ? '0' : $character, trim($character) === '' ? '' : $state];
            }
        }

        return $cells;
    }

    /** @return array<string, mixed> */
    private static function fields(string $line): array
    {
        $fields = json_decode($line, true, flags: JSON_THROW_ON_ERROR);

        if (isset($fields['duration'])) {
            self::assertLessThan(1.0, $fields['duration']);
            $fields['duration'] = 0.0;
        }

        return $fields;
    }
}
