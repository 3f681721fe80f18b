<?php

declare(strict_types=1);

namespace KQueue\Console;

use Illuminate\Console\Command;
use Illuminate\Contracts\Cache\Repository as Cache;
use KQueue\Isolated\Profile;
use Symfony\Component\Console\Attribute\AsCommand;

/** Shows which job classes run isolated because they misbehaved in lanes, and lets them start anew. */
#[AsCommand(name: 'kqueue:profile')]
final class ProfileCommand extends Command
{
    protected $signature = 'kqueue:profile
        {--reset= : A class that is to run in lanes again, or "all"}
        {--json : Print JSON}';

    protected $description = 'Show the job classes that KQueue runs isolated because of what they did, or reset them';

    public function handle(Cache $cache): int
    {
        $profile = new Profile($cache);

        return match ($reset = $this->option('reset')) {
            null => $this->show($profile->all()),
            'all' => $this->reset($profile->clear()),
            default => $this->resetClass($profile, ltrim($reset, '\\')),
        };
    }

    /** @param  array<string, array{since: int, reason: string}>  $classes */
    private function show(array $classes): int
    {
        ksort($classes);

        if ($this->option('json')) {
            $this->line((string) json_encode((object) $classes, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE));
        } elseif ($classes === []) {
            $this->components->info('No class runs isolated because of what its jobs did.');
        } else {
            foreach ($classes as $class => $entry) {
                $this->components->twoColumnDetail($class, date('Y-m-d H:i:s', $entry['since']));
                $this->components->bulletList([$entry['reason']]);
            }
        }

        return self::SUCCESS;
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
        $this->components->info("{$count} ".($count === 1 ? 'class runs' : 'classes run').' in lanes again, in a few seconds also in runs under way.');

        return self::SUCCESS;
    }
}
