<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use KQueue\Tests\E2E\Support\RedisServer;
use RuntimeException;
use Throwable;

/**
 * Plays runs side by side, each in a forked process with a database, a Redis database and a folder of its own; so a case is as
 * simple as if it were alone. All are played in their order while the tests ask for one after another, or those asked for only.
 */
final class Pool
{
    private const SECONDS = 120;

    private readonly string $folder;

    private readonly RedisServer $redis;

    /** @var array<string, Run> not yet begun, by name */
    private array $waiting = [];

    /** @var array<int, array{string, float, string}> name, start and folder, by process id */
    private array $playing = [];

    /** @var array<string, array<string, mixed>> what Snapshot made, by name */
    private array $results = [];

    private int $begun = 0;

    public function __construct(private readonly int $sideBySide)
    {
        $this->folder = sys_get_temp_dir().'/kqueue-oracle-'.getmypid();
        mkdir($this->folder);
        $this->redis = RedisServer::start(databases: 4096);

        $owner = getmypid();
        register_shutdown_function(function () use ($owner): void {
            if ($owner === getmypid()) {
                array_map(static fn (int $pid) => posix_kill($pid, SIGKILL), array_keys($this->playing));
                exec('rm -rf '.escapeshellarg($this->folder));
            }
        });
    }

    /** To be played when there is time, in this order. */
    public function plan(Run ...$runs): void
    {
        foreach ($runs as $run) {
            $this->waiting[$run->name] ??= $run;
        }
    }

    /** @return array<string, array<string, mixed>> */
    public function result(Run $run): array
    {
        if (! isset($this->results[$run->name])) {
            $this->isPlaying($run->name) || $this->waiting = [$run->name => $run] + $this->waiting;
        }

        while (! isset($this->results[$run->name])) {
            $this->begin();
            $this->reap();
            usleep(5_000);
        }

        $result = $this->results[$run->name];

        return isset($result['error']) ? throw new RuntimeException("{$run->name}: {$result['error']}") : $result;
    }

    private function isPlaying(string $name): bool
    {
        return in_array($name, array_column($this->playing, 0), true);
    }

    private function begin(): void
    {
        while ($this->waiting !== [] && count($this->playing) < $this->sideBySide) {
            $run = array_shift($this->waiting);
            $folder = "{$this->folder}/".++$this->begun;
            mkdir($folder.'/framework/views', recursive: true);
            $pid = pcntl_fork();

            if ($pid === 0) {
                $this->play($run, $folder);
            }

            $this->playing[$pid] = [$run->name, microtime(true), $folder];
        }
    }

    /** In the forked process, which leaves without PHPUnit's and this class's shutdown functions. */
    private function play(Run $run, string $folder): never
    {
        try {
            ob_start();
            $result = $run->play($folder, $this->redis->port, $this->begun);
        } catch (Throwable $e) {
            $result = ['error' => get_class($e).": {$e->getMessage()} at {$e->getFile()}:{$e->getLine()}"];
        }

        file_put_contents("{$folder}/result", serialize($result));
        posix_kill(getmypid(), SIGKILL);
        exit;
    }

    private function reap(): void
    {
        foreach ($this->playing as $pid => [$name, $begunAt, $folder]) {
            if (microtime(true) - $begunAt > self::SECONDS) {
                posix_kill($pid, SIGKILL);
            }

            if (pcntl_waitpid($pid, $status, WNOHANG) === $pid) {
                unset($this->playing[$pid]);
                $result = @file_get_contents("{$folder}/result");
                $this->results[$name] = $result === false ? ['error' => 'It did not end in time.'] : unserialize($result);
                exec('rm -rf '.escapeshellarg($folder));
            }
        }
    }
}
