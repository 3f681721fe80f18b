<?php

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;

class ReportDemoCommand extends Command
{
    protected $signature = 'demo:report
                            {--jobs=200 : How many demo:queue queued}
                            {--since= : When the worker started, as a Unix time}
                            {--sample= : The --json output of queue:work on a sample}';

    protected $description = 'Print what happened to each kind of job';

    public function handle(): int
    {
        $rows = DB::table('demo_events')->selectRaw('job, event, count(*) as n')->groupBy('job', 'event')->get()->groupBy('job');
        $counts = QueueDemoCommand::counts((int) $this->option('jobs'), false);

        $this->table(['Job', 'Queued', 'Done', 'Retries', 'Failed'], array_map(fn (string $job, int $queued): array => [
            class_basename($job),
            $queued,
            ...array_map(fn (string $event): int => (int) ($rows->get($job)?->firstWhere('event', $event)->n ?? 0), ['done', 'retried', 'failed']),
        ], array_keys($counts), $counts));

        $left = app('queue')->connection()->size();
        $processes = DB::table('demo_events')->distinct()->count('pid');

        $this->line(sprintf('%d jobs are left on the queue; failed_jobs has %d; %d processes ran jobs.', $left, DB::table('failed_jobs')->count(), $processes));

        if ($this->option('since')) {
            $this->line(sprintf('From the start of kqueue:run to the end of the last job: %.1f s.', DB::table('demo_events')->max('at') - (float) $this->option('since')));
        }

        if ($this->option('sample')) {
            $this->line(sprintf(
                'queue:work would take about %.0f s: its time per job, measured just now on two of each kind (without CrashJob, of which it dies), times the number of jobs.',
                $this->scaled($counts),
            ));
        }

        return self::SUCCESS;
    }

    /** @param  array<class-string, int>  $counts */
    private function scaled(array $counts): float
    {
        $seconds = [];

        foreach (file($this->option('sample')) as $line) {
            $entry = json_decode($line, true);

            if (isset($entry['duration'], $entry['id'])) {
                $seconds[$entry['job']] = ($seconds[$entry['job']] ?? 0.0) + $entry['duration'];
            }
        }

        // Every attempt of a job is in it, so retries count. Time between two jobs is not, which favours queue:work.
        return array_sum(array_map(fn (string $job, int $count): float => $count * ($seconds[$job] ?? 0.0) / 2, array_keys($counts), $counts));
    }
}
