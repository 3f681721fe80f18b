<?php

declare(strict_types=1);

namespace KQueue\Process;

use KQueue\Support\Settings;

/** Compares, before the run begins, what the system lets a process have with what as many jobs at once may need. */
final class ProcessLimits
{
    /** As the engine counts on it: a few connections, a log, the pipes of a program (src/core/room.rs). */
    private const DESCRIPTORS_PER_JOB = 8;

    /** For an isolated job's process. */
    private const DESCRIPTORS_PER_CHILD = 2;

    /** Kept back for settling jobs (src/engine/limits.rs), and for the run itself. */
    private const OWN_DESCRIPTORS = 64 + 32;

    /** A lane's stack, and the page below it that is not to be touched. */
    private const MAPPINGS_PER_JOB = 2;

    /** Of a lane (src/ext/shim/contexts.c). */
    private const STACK = '16M';

    /** @param  string  $proc  where the system tells of itself */
    public function __construct(private readonly string $proc = '/proc') {}

    /** @return list<string> */
    public function warnings(Settings $settings): array
    {
        return array_values(array_filter([$this->descriptors($settings), $this->mappings($settings), $this->stacks($settings)]));
    }

    private function descriptors(Settings $settings): ?string
    {
        // Soft limit, hard limit, unit.
        preg_match('/^Max open files +\S+ +(\d+)/m', $this->read('self/limits'), $found);
        $most = (int) ($found[1] ?? PHP_INT_MAX);
        $own = self::OWN_DESCRIPTORS + self::DESCRIPTORS_PER_CHILD * $settings->isolated;
        $wanted = $own + self::DESCRIPTORS_PER_JOB * $settings->concurrency;

        return $wanted <= $most ? null : "This process may have {$most} files and connections open at once (its hard limit), and {$settings->concurrency} jobs at once"
            ." may need {$wanted}. Raise the limit to {$wanted} or more (LimitNOFILE= in a unit of systemd, minfds of Supervisor, --ulimit nofile= of Docker, ulimit -Hn in a shell),"
            .' or lower --concurrency to '.max(1, intdiv($most - $own, self::DESCRIPTORS_PER_JOB)).'. Otherwise no job is taken whenever too few are left.';
    }

    private function mappings(Settings $settings): ?string
    {
        $most = (int) ($this->read('sys/vm/max_map_count') ?: PHP_INT_MAX);
        $wanted = substr_count($this->read('self/maps'), "\n") + self::MAPPINGS_PER_JOB * $settings->concurrency;

        return $wanted <= $most ? null : "The system lets a process have {$most} pieces of memory (sysctl vm.max_map_count), and {$settings->concurrency} jobs at once need {$wanted},"
            .' two for the stack of each. Raise it, or lower --concurrency. Otherwise fewer jobs run at once.';
    }

    /** Where the system promises no more memory than it has. */
    private function stacks(Settings $settings): ?string
    {
        if (trim($this->read('sys/vm/overcommit_memory')) !== '2' || ! preg_match('/^CommitLimit: +(\d+).+^Committed_AS: +(\d+)/ms', $this->read('meminfo'), $found)) {
            return null;
        }

        $free = max(0, intdiv($found[1] - $found[2], 1024));
        $each = ini_parse_quantity(ini_get('fiber.stack_size') ?: self::STACK) >> 20;
        $wanted = $settings->concurrency * $each;

        return $wanted <= $free ? null : "The system promises no more memory than it has (vm.overcommit_memory is 2), {$free} MB are left, and the stacks of {$settings->concurrency} jobs at once"
            ." are {$wanted} MB. Lower --concurrency, or PHP's setting fiber.stack_size, which is {$each} MB for each. Otherwise fewer jobs run at once.";
    }

    private function read(string $file): string
    {
        return (string) @file_get_contents("{$this->proc}/{$file}");
    }
}
