<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use KQueue\Process\ProcessLimits;
use KQueue\Support\Settings;

/** What the command says of a system that lets a process have too little. */
final class ProcessLimitsTest extends TestCase
{
    public function test_enough_is_not_worth_a_word(): void
    {
        self::assertSame([], $this->warnings([], 50));
    }

    public function test_a_system_that_does_not_tell_is_not_complained_of(): void
    {
        self::assertSame([], (new ProcessLimits('/nowhere'))->warnings($this->settings(5000)));
    }

    public function test_too_few_descriptors(): void
    {
        $warnings = $this->warnings(['self/limits' => "Limit                     Soft Limit           Hard Limit           Units     \n"
            ."Max open files            1024                 4096                 files     \n"], 600);

        self::assertCount(1, $warnings);
        self::assertStringContainsString('may have 4096 files and connections open at once (its hard limit), and 600 jobs at once may need 4904', $warnings[0]);
        self::assertStringContainsString('lower --concurrency to 499', $warnings[0]);
    }

    public function test_too_few_pieces_of_memory(): void
    {
        $warnings = $this->warnings(['sys/vm/max_map_count' => "1000\n", 'self/maps' => str_repeat("a mapping\n", 300)], 400);

        self::assertCount(1, $warnings);
        self::assertStringContainsString('have 1000 pieces of memory (sysctl vm.max_map_count), and 400 jobs at once need 1100', $warnings[0]);
    }

    public function test_stacks_where_memory_is_not_promised_twice(): void
    {
        $files = ['sys/vm/overcommit_memory' => "2\n", 'meminfo' => "MemTotal: 1 kB\nCommitLimit:     1048576 kB\nCommitted_AS:     524288 kB\n"];

        self::assertSame([], $this->warnings($files, 32));
        self::assertStringContainsString('512 MB are left, and the stacks of 33 jobs at once are 528 MB', $this->warnings($files, 33)[0]);
    }

    /**
     * @param  array<string, string>  $files
     * @return list<string>
     */
    private function warnings(array $files, int $concurrency): array
    {
        $folder = sys_get_temp_dir().'/kqueue-proc-'.getmypid();

        try {
            foreach ($files as $name => $text) {
                @mkdir(dirname("{$folder}/{$name}"), recursive: true);
                file_put_contents("{$folder}/{$name}", $text);
            }

            return (new ProcessLimits($folder))->warnings($this->settings($concurrency));
        } finally {
            exec('rm -rf '.escapeshellarg($folder));
        }
    }

    private function settings(int $concurrency): Settings
    {
        return new Settings('', 'database', 'default', [], [], false, $concurrency, 'auto', [], 4, false, [], 512, 2.0, 100, 32, false, null, 0.0, 1.0, 256, 60.0, 10.0);
    }
}
