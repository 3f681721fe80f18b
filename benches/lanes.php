<?php

// What lanes of the example application cost: tools/php benches/lanes.php [lanes=500] [clones=20000]
//
// Prints the time and memory of one clone, the memory of a process with many lanes alive at once, and whether cloning and freeing
// many of them leaves anything behind.

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel;
use KQueue\Engine;

$lanes = (int) ($argv[1] ?? 500);
$clones = (int) ($argv[2] ?? 20000);
$base = dirname(__DIR__).'/examples/laravel';

require $base.'/vendor/autoload.php';
ini_set('memory_limit', '-1');

$boot = static function () use ($base): void {
    $app = require $base.'/bootstrap/app.php';
    $app->make(Kernel::class)->bootstrap();
    foreach (['queue', 'db', 'cache', 'log', 'Illuminate\Contracts\Bus\Dispatcher'] as $service) {
        $app->make($service);
    }
    if (method_exists(KQueue\Application\Template::class, 'settle')) {
        KQueue\Application\Template::settle($app);
    }
};
$rss = static fn (): float => (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096 / 1048576;
$job = static fn (int $n): array => ['id' => (string) $n, 'class' => 'bench', 'connection' => '', 'queue' => ''];

$times = [];
for ($i = 0; $i < 20; $i++) {
    $template = Engine::template($boot);
    $times[] = $template['seconds'] * 1000;
}
if ($template['refused'] !== []) {
    exit('cannot be cloned: '.implode('; ', $template['refused'])."\n");
}
printf("a lane copies %d objects, %d closures, %d arrays: %d KB\n", $template['objects'], $template['closures'], $template['arrays'], $template['bytes'] / 1024);
sort($times);
printf("  first clone after a boot: %.2f ms (median of %d)\n", $times[10], count($times));

// Many lanes at once: each waits until all have begun.
$alive = $rss();
$run = (object) ['begun' => 0, 'peak' => 0.0, 'state' => null, 'samples' => []];
Engine::run(static function () use ($run, $lanes, $job, $rss): void {
    if (! Engine::lead()) {
        return;
    }
    Engine::reserved($job(++$run->begun));
    while ($run->begun < $lanes) {
        usleep(200_000);
    }
    $run->peak = max($run->peak, $rss());
    $run->state ??= Engine::state();
    Engine::finished();
    Engine::stop();
}, $lanes, true);
$perClone = static fn (array $state): float => $state['clone_seconds'] * 1000 / $state['clones'];
printf("%d lanes alive at once: %.0f MB in all, %.0f KB a lane; %.2f ms a clone\n", $lanes, $run->peak, ($run->peak - $alive) * 1024 / $lanes, $perClone($run->state));

// A pristine lane for each job, freed after it.
Engine::template($boot);
$run->begun = 0;
$began = microtime(true);
Engine::run(static function () use ($run, $clones, $job, $rss): void {
    if (! Engine::lead()) {
        return;
    }
    Engine::reserved($job(++$run->begun));
    Engine::finished();
    if ($run->begun % max(1, intdiv($clones, 20)) === 0) {
        $run->samples[] = [memory_get_usage(), $rss()];
    }
    if ($run->begun >= $clones) {
        $run->state = Engine::state();
        Engine::stop();
    }
}, 1, true);
$seconds = microtime(true) - $began;
$first = $run->samples[intdiv(count($run->samples), 4)];
$last = end($run->samples);
printf("%d lanes cloned, run and freed one after another: %.2f ms each, of which %.2f ms the clone\n", $clones, $seconds * 1000 / $clones, $perClone($run->state));
printf("  memory after a quarter %.1f MB (RSS %.0f MB), at the end %.1f MB (RSS %.0f MB)\n", $first[0] / 1048576, $first[1], $last[0] / 1048576, $last[1]);
