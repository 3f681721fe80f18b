<?php

declare(strict_types=1);

namespace KQueue\Console;

use Illuminate\Console\Command;
use Illuminate\Contracts\Cache\Repository as Cache;
use KQueue\Isolation\Profile;
use Symfony\Component\Console\Attribute\AsCommand;

/** Shows what job classes have cost in lanes, and which run isolated because they misbehaved there; lets them start anew. */
#[AsCommand(name: 'kqueue:profile')]
final class ProfileCommand extends Command
{
    protected $signature = 'kqueue:profile
        {--reset= : A class that is to run in lanes again, or "all"}
        {--json : Print JSON}';

    protected $description = 'Show what KQueue has measured of job classes, and which it runs isolated because of that, or reset it';

    public function handle(Cache $cache): int
    {
        $profile = Profile::in($this->laravel, $cache);

        return match ($reset = $this->option('reset')) {
            null => $this->show($profile->all(), $profile->costs()),
            'all' => $this->reset($profile->clear()),
            default => $this->resetClass($profile, ltrim($reset, '\\')),
        };
    }

    /**
     * @param  array<string, array{since: int, reason: string}>  $isolated
     * @param  array<string, array{jobs: int, cpu: float, longest_slice: float, memory: int}>  $costs
     */
    private function show(array $isolated, array $costs): int
    {
        $classes = array_keys($isolated + $costs);
        sort($classes);
        $rows = [];

        foreach ($classes as $class) {
            $rows[$class] = ['isolated' => $isolated[$class] ?? null] + ($costs[$class] ?? ['jobs' => 0, 'cpu' => 0.0, 'longest_slice' => 0.0, 'memory' => 0]);
        }

        if ($this->option('json')) {
            $this->line((string) json_encode((object) $rows, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE));
        } elseif ($rows === []) {
            $this->components->info('No job has been measured yet.');
        } else {
            foreach ($rows as $class => $row) {
                $this->components->twoColumnDetail($class, $row['isolated'] === null ? 'in lanes' : 'isolated since '.date('Y-m-d H:i:s', $row['isolated']['since']));
                $this->components->bulletList(array_filter([$row['isolated']['reason'] ?? null, $row['jobs'] === 0 ? null : $this->measured($row)]));
            }
        }

        return self::SUCCESS;
    }

    /** @param  array{jobs: int, cpu: float, longest_slice: float, memory: int}  $row */
    private function measured(array $row): string
    {
        return sprintf(
            '%d in lanes: %.1f ms of the processor each; at most %.1f ms without a wait, %.1f MB',
            $row['jobs'], $row['cpu'] * 1000 / $row['jobs'], $row['longest_slice'] * 1000, $row['memory'] / 1048576,
        );
    }

    private function resetClass(Profile $profile, string $class): int
    {
        if (! $profile->remove($class)) {
            $this->components->error("{$class} is not in the profile.");

            return self::FAILURE;
        }

        return $this->reset(1);
    }

    private function reset(int $count): int
    {
        $this->components->info("Forgot {$count} ".($count === 1 ? 'class' : 'classes').'; runs that are under way hear of it in a few seconds.');

        return self::SUCCESS;
    }
}
