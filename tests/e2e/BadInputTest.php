<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

final class BadInputTest extends TestCase
{
    /** @param  list<string>  $arguments */
    #[TestWith([['nope'], 'The queue connection [nope] is not configured. Configured are:'])]
    #[TestWith([['sync'], 'The queue connection [sync] has the driver "sync"'])]
    #[TestWith([['--concurrency=0'], '--concurrency must be a whole number from 1 to 100000, not "0".'])]
    #[TestWith([['--concurrency=x'], '--concurrency must be a whole number from 1 to 100000, not "x".'])]
    #[TestWith([['--isolated=-1'], '--isolated must be a whole number from 1 to 1024, not "-1".'])]
    #[TestWith([['--timeout=soon'], '--timeout must be a number, not "soon".'])]
    #[TestWith([['--nonsense'], 'The "--nonsense" option does not exist.'])]
    public function test_a_sentence_and_status_1(array $arguments, string $message): void
    {
        $run = $this->start('kqueue:run', $arguments);

        self::assertSame(1, $run->wait(20));
        self::assertStringContainsString($message, $run->output());
        self::assertStringNotContainsString('Stack trace', $run->output());
    }

    public function test_without_the_extension(): void
    {
        $php = $this->plainPhp();
        $run = new Process([$php, dirname(__DIR__).'/e2e/app/artisan', 'kqueue:run', '--no-ansi'], []);

        self::assertSame(1, $run->wait(20));
        self::assertStringContainsString('kqueue:run needs the kqueue extension: add "extension=kqueue" to the php.ini', $run->output());
    }

    public function test_a_database_that_is_not_there(): void
    {
        unlink("{$this->folder}/e2e.sqlite");
        $run = $this->start('kqueue:run', ['--stop-when-empty', '--sleep=0']);

        self::assertSame(0, $run->wait(20), 'as queue:work: the error is reported, the queue counts as empty');
        self::assertStringContainsString('Database file at path', $this->log());
    }

    /** The PHP that runs this, without the option that loads the extension. */
    private function plainPhp(): string
    {
        $file = "{$this->folder}/php";
        $command = explode("\0", rtrim((string) file_get_contents('/proc/self/cmdline'), "\0"));
        $script = array_search($_SERVER['argv'][0], $command, true);
        $command = array_slice($command, 0, (int) $script);

        foreach ($command as $i => $argument) {
            if (str_starts_with($argument, 'extension=') && str_contains($argument, 'kqueue')) {
                unset($command[$i], $command[$i - 1]);
            }
        }

        file_put_contents($file, "#!/bin/sh\nexec ".implode(' ', array_map(escapeshellarg(...), $command)).' "$@"'."\n");
        chmod($file, 0755);

        return $file;
    }
}
