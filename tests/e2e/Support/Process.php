<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\Support;

use RuntimeException;
use WeakMap;

/** A command that runs beside the test, in a session of its own. It ends with the test, with the test's process at the latest, which tools/phpunit gives its time. */
final class Process
{
    private mixed $process;

    private string $output;

    private ?int $status = null;

    public readonly float $startedAt;

    /** @var WeakMap<self, list<string>>|null the commands of those that the test has not let go of */
    private static ?WeakMap $all = null;

    /**
     * @param  list<string>  $command
     * @param  array<string, string>  $environment
     */
    public function __construct(array $command, array $environment)
    {
        $this->output = tempnam(sys_get_temp_dir(), 'kqueue');
        $this->startedAt = microtime(true);
        $this->process = proc_open(
            ['setpriv', '--pdeathsig', 'KILL', 'setsid', '--wait', ...$command],
            [['file', '/dev/null', 'r'], ['file', $this->output, 'a'], ['file', $this->output, 'a']],
            $pipes,
            null,
            $environment + getenv(),
        );
        self::$all ??= new WeakMap;
        self::$all[$this] = $command;
    }

    /** What the processes of this test have printed last, for the message of a test that fails. */
    public static function outputs(): string
    {
        $outputs = '';

        foreach (self::$all ?? [] as $process => $command) {
            $state = $process->isRunning() ? 'runs' : 'has ended';
            $outputs .= "\n--- ".implode(' ', $command)." ({$state}) printed:\n".substr($process->output(), -4000);
        }

        return $outputs;
    }

    public function __destruct()
    {
        if ($this->status === null) {
            $this->kill();
        }

        @unlink($this->output);
    }

    /** @return int the exit status; 128 + n if signal n ended it */
    public function wait(float $seconds = 60.0): int
    {
        for ($end = microtime(true) + $seconds; $this->status === null;) {
            $status = proc_get_status($this->process);

            if (! $status['running']) {
                $this->status = $status['signaled'] ? 128 + $status['termsig'] : $status['exitcode'];
            } elseif (microtime(true) > $end) {
                $tree = shell_exec('ps -eo pid,ppid,stat,wchan:20,args | grep -E "kqueue:run|queue:work" | grep -v grep');
                $this->kill();
                throw new RuntimeException("It did not end within {$seconds} s. It printed:\n{$this->output()}\nProcesses:\n{$tree}");
            } else {
                usleep(10_000);
            }
        }

        return $this->status;
    }

    public function isRunning(): bool
    {
        return $this->status === null && proc_get_status($this->process)['running'];
    }

    public function output(): string
    {
        return (string) file_get_contents($this->output);
    }

    /** To the master, as a process manager does. */
    public function signal(int $signal): void
    {
        posix_kill($this->master(), $signal);
    }

    /** To all of its processes, as Ctrl-C does. */
    public function signalGroup(int $signal): void
    {
        posix_kill(-$this->master(), $signal);
    }

    /** @return list<int> the processes that the master forked */
    public function children(): array
    {
        return array_map(intval(...), array_filter(explode("\n", (string) shell_exec('pgrep -P '.$this->master()))));
    }

    /** setsid has become the command itself: what proc_open() starts leads no process group. */
    public function master(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    private function kill(): void
    {
        $master = $this->master();

        foreach ([...$this->children(), $master] as $pid) {
            posix_kill($pid, SIGKILL);
        }

        posix_kill(-$master, SIGKILL);
        proc_terminate($this->process, SIGKILL);
        proc_close($this->process);
        $this->status = 137;
    }
}
