<?php

// What a line for each job costs: tools/php benches/output.php [rounds=10] | tail -n 5
//
// Lanes run jobs of 0.1 ms, so at most 10,000 each second: in turn silently, with the lines of kqueue:run (text, -v, JSON) and with those
// that Laravel's own command writes. The lines go through the pipe to `tail`. Rounds alternate, and the time is that of the processor, so
// that what else the machine does falls out of the ratio.

declare(strict_types=1);

use Illuminate\Console\OutputStyle;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Jobs\SyncJob;
use KQueue\Engine;
use KQueue\Engine\NativeEngine;
use KQueue\Output\JobOutput;
use KQueue\Output\LaneOutput;
use Symfony\Component\Console\Input\ArrayInput;
use Symfony\Component\Console\Output\OutputInterface;

const JOBS = 1000;
const LANES = 50;

$rounds = (int) ($argv[1] ?? 10);
$base = dirname(__DIR__).'/examples/laravel';

require $base.'/vendor/autoload.php';

final class LaravelsLines extends WorkCommand
{
    public function begin(SyncJob $job): void
    {
        $this->writeOutput($job, 'starting');
    }

    public function end(SyncJob $job): void
    {
        $this->writeOutput($job, 'success');
    }
}

function work(int $loops): void
{
    for ($i = 0; $i < $loops; $i++) {
        hrtime(true);
    }
}

/** @return int loops that take 0.1 ms on this machine */
function calibrate(): int
{
    $best = INF;
    for ($i = 0; $i < 50; $i++) {
        $began = hrtime(true);
        work(1000);
        $best = min($best, hrtime(true) - $began);
    }

    return (int) (1000 * 100_000 / $best);
}

/** @return float microseconds of the processor */
function used(): float
{
    $usage = getrusage();

    return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e6 + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

/** @return float microseconds for each job */
function round_of(string $what, int $loops, string $payload): float
{
    $run = (object) ['taken' => 0];
    $began = used();
    Engine::run(static function () use ($run, $what, $loops, $payload): void {
        $app = app();
        $output = new LaneOutput(new NativeEngine, $what === 'with -v' ? OutputInterface::VERBOSITY_VERBOSE : OutputInterface::VERBOSITY_NORMAL, true);
        $own = $lines = new JobOutput($output, $what === 'JSON', $app['config']);
        if ($what === "Laravel's") {
            $lines = new LaravelsLines($app['queue.worker'], $app['cache.store']);
            $lines->setLaravel($app);
            $lines->setInput($input = new ArrayInput([], $lines->getDefinition()));
            $lines->setOutput(new OutputStyle($input, $output));
        }
        while (Engine::lead()) {
            if (++$run->taken > JOBS) {
                Engine::stop();
                continue;
            }
            Engine::reserved(['id' => '1', 'class' => 'bench', 'connection' => '', 'queue' => '']);
            $job = new SyncJob($app, $payload, 'redis', 'default');
            // Lanes do that anyway, for the scoreboard.
            $own->take($job);
            $what === 'silent' || $lines->begin($job);
            work($loops);
            match ($what) {
                'silent' => null,
                "Laravel's" => $lines->end($job),
                default => $lines->end($job, 'success', null),
            };
            Engine::finished();
        }
    }, LANES, true);

    return (used() - $began) / JOBS;
}

$payload = json_encode([
    'uuid' => '0b7a1b3e-0000-4000-8000-000000000000', 'displayName' => 'App\Jobs\SendInvoice', 'job' => 'Illuminate\Queue\CallQueuedHandler@call',
    'maxTries' => null, 'maxExceptions' => null, 'failOnTimeout' => false, 'backoff' => null, 'timeout' => null, 'retryUntil' => null,
    'data' => ['commandName' => 'App\Jobs\SendInvoice', 'command' => serialize(new ArrayObject(range(1, 20)))], 'createdAt' => time(), 'delay' => null,
]);
$loops = calibrate();
$figures = [];

for ($round = 0; $round <= $rounds; $round++) {
    foreach (['silent', 'text', 'with -v', 'JSON', "Laravel's"] as $what) {
        Engine::template(static function () use ($base): void {
            $app = require $base.'/bootstrap/app.php';
            $app->make(Kernel::class)->bootstrap();
            array_map($app->make(...), ['queue.worker', 'cache.store']);
        });
        $figure = round_of($what, $loops, $payload);
        // The first round loads classes.
        $round > 0 && $figures[$what][] = $figure;
    }
}

// The best rounds: what else the machine does only adds.
$silent = min($figures['silent']);
foreach ($figures as $what => $all) {
    $more = min($all) - $silent;
    printf("%-10s %7.1f us a job; its lines cost %6.1f us: %5.1f %% of the throughput at 10,000 jobs/s\n", $what, min($all), $more, 100 - 100 / (1 + $more / 100));
}
