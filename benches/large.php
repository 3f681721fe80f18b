<?php

// What lanes of a large application cost: tools/php benches/large.php [providers=200] [closures=3000] [objects=5000] [config=20000]
//
// Makes so many service providers, which bind so many closures and make so many services (objects that know the application and
// each other), and so many config entries; boots them on top of the example application, and prints the time and memory of a
// clone, of 200 lanes alive at once, and of a pristine lane for each job.

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel;
use KQueue\Engine;

[$providers, $closures, $objects, $entries] = array_map(intval(...), array_slice($argv, 1)) + [200, 3000, 5000, 20000];
$base = dirname(__DIR__).'/examples/laravel';
$file = tempnam(sys_get_temp_dir(), 'kqueue-large');

require $base.'/vendor/autoload.php';
ini_set('memory_limit', '-1');

/** A service as applications have them: options, the application, others, a listener. */
final class Service
{
    public static int $made = 0;

    public ?Service $next = null;

    public array $options;

    public ?Closure $listener = null;

    public function __construct(public readonly string $name, private readonly object $app, ?self $next)
    {
        $this->next = $next;
        $this->options = ['name' => $name, 'retries' => 3, 'of' => [$next, 'depth' => ++self::$made]];
        $this->listener = self::$made % 10 ? null : fn (): string => $this->name;
    }
}

$code = "<?php\n";
for ($i = 0; $i < $providers; $i++) {
    $code .= "final class Provider{$i} extends Illuminate\\Support\\ServiceProvider {\n"
        ."  public static array \$known = [];\n"
        ."  public function register(): void {\n"
        ."    for (\$j = 0; \$j < ".intdiv($closures, $providers)."; \$j++) { \$this->app->singleton(\"service.{$i}.\$j\", fn (\$app) => [\$app, \$this, \$j]); }\n"
        ."    \$last = null;\n"
        ."    for (\$j = 0; \$j < ".intdiv($objects, $providers)."; \$j++) { \$this->app->instance(\"object.{$i}.\$j\", \$last = new Service(\"{$i}.\$j\", \$this->app, \$last)); }\n"
        ."    self::\$known[] = \$last;\n"
        ."  }\n}\n";
}
file_put_contents($file, $code);
require $file;
unlink($file);

$boot = static function () use ($base, $providers, $entries): void {
    $app = require $base.'/bootstrap/app.php';
    $app->make(Kernel::class)->bootstrap();
    foreach (['queue', 'db', 'cache', 'log', 'Illuminate\Contracts\Bus\Dispatcher'] as $service) {
        $app->make($service);
    }
    $values = [];
    for ($i = 0; $i < $entries; $i++) {
        $values['section'.($i % 100)]["entry{$i}"] = $i % 3 ? "value {$i}" : $i;
    }
    $app['config']->set('large', $values);
    for ($i = 0; $i < $providers; $i++) {
        $app->register("Provider{$i}");
    }
};
$rss = static fn (): float => (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096 / 1048576;
$job = static fn (int $n): array => ['id' => (string) $n, 'class' => 'bench', 'connection' => '', 'queue' => ''];

$began = microtime(true);
$boot();
printf("one boot: %.1f ms\n", (microtime(true) - $began) * 1000);

$times = [];
for ($i = 0; $i < 11; $i++) {
    $template = Engine::template($boot);
    $times[] = $template['seconds'] * 1000;
}
if ($template['refused'] !== []) {
    exit('cannot be cloned: '.implode('; ', $template['refused'])."\n");
}
sort($times);
printf(
    "a lane copies %d objects, %d closures, %d arrays and shares %d arrays: %d KB; %.2f ms (median of %d)\n",
    $template['objects'], $template['closures'], $template['arrays'], $template['shared_arrays'], $template['bytes'] / 1024, $times[5], count($times),
);

$lanes = 200;
$run = (object) ['begun' => 0, 'peak' => 0.0, 'state' => null, 'samples' => []];
$before = $rss();
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
printf(
    "%d lanes alive at once: %.0f MB in all, %.0f KB a lane; %.2f ms a clone\n",
    $lanes, $run->peak, ($run->peak - $before) * 1024 / $lanes, $run->state['clone_seconds'] * 1000 / $run->state['clones'],
);

$jobs = 1000;
Engine::template($boot);
$run->begun = 0;
$began = microtime(true);
Engine::run(static function () use ($run, $jobs, $job, $rss): void {
    if (! Engine::lead()) {
        return;
    }
    Engine::reserved($job(++$run->begun));
    Engine::finished();
    if ($run->begun % intdiv($jobs, 20) === 0) {
        $run->samples[] = $rss();
    }
    if ($run->begun >= $jobs) {
        Engine::stop();
    }
}, 1, true);
printf("%d jobs, a pristine lane for each: %.2f ms each; RSS after a quarter %.0f MB, at the end %.0f MB\n", $jobs, (microtime(true) - $began) * 1000 / $jobs, $run->samples[5], end($run->samples));
