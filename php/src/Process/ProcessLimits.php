<?php

declare(strict_types=1);

namespace KQueue\Process;

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

    /** @param  string  $proc  where the system tells of itself */
    public function __construct(private readonly string $proc = '/proc') {}

    /** @return list<string> */
    public function warnings(Settings $settings): array
    {
        return array_values(array_filter([$this->descriptors($settings), $this->mappings($settings)]));
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

    private function read(string $file): string
    {
        return (string) @file_get_contents("{$this->proc}/{$file}");
    }
}
