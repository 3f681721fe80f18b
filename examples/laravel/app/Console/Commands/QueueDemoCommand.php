<?php

namespace App\Console\Commands;

use App\Jobs\BrokenJob;
use App\Jobs\CrashJob;
use App\Jobs\FlakyJob;
use App\Jobs\HeavyReport;
use App\Jobs\HttpJob;
use App\Jobs\PlaceOrder;
use App\Jobs\WaitJob;
use App\Models\User;
use Closure;
use Illuminate\Console\Command;

class QueueDemoCommand extends Command
{
    protected $signature = 'demo:queue
                            {--jobs=200 : About how many}
                            {--url= : The slow server that the HTTP jobs ask}
                            {--sample : Two of each kind that queue:work survives, instead}';

    protected $description = 'Queue a mix of jobs';

    /** Of 200; the rest waits. */
    private const MIX = [HttpJob::class => 60, PlaceOrder::class => 36, FlakyJob::class => 6, HeavyReport::class => 4, BrokenJob::class => 2, CrashJob::class => 2];

    public function handle(): int
    {
        $jobs = [];

        foreach (self::counts((int) $this->option('jobs'), $this->option('sample')) as $class => $count) {
            for ($i = 0; $i < $count; $i++) {
                $jobs[] = $this->factory($class);
            }
        }

        // Mixed, but the same mix every time.
        mt_srand(1);
        shuffle($jobs);

        foreach ($jobs as $job) {
            dispatch($job());
        }

        $this->line(sprintf('Queued %d jobs on [%s].', count($jobs), config('queue.default')));

        return self::SUCCESS;
    }

    /** @return array<class-string, int> */
    public static function counts(int $jobs, bool $sample): array
    {
        if ($sample) {
            return array_fill_keys(array_diff([WaitJob::class, ...array_keys(self::MIX)], [CrashJob::class]), 2);
        }

        $counts = array_map(fn (int $of200): int => (int) round($of200 * $jobs / 200), self::MIX);

        return [WaitJob::class => max(0, $jobs - array_sum($counts))] + $counts;
    }

    private function factory(string $class): Closure
    {
        return match ($class) {
            WaitJob::class => fn () => new WaitJob(1),
            HttpJob::class => fn () => new HttpJob($this->option('url') ?: throw new \InvalidArgumentException('Give the slow server with --url.')),
            PlaceOrder::class => fn () => new PlaceOrder($this->user(), ['apple' => random_int(1, 9), 'pear' => random_int(10, 99)]),
            default => fn () => new $class,
        };
    }

    private function user(): User
    {
        return User::firstOrCreate(['email' => 'user'.random_int(1, 5).'@example.com'], ['name' => 'User']);
    }
}
