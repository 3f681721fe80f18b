<?php

// What lanes of a large application cost: tools/php benches/large.php [lanes=200] [providers=200] [closures=3000] [objects=5000]
//
// The example application with generated service providers on top: each binds closures of several kinds and makes objects that refer to
// each other, keep closures, arrays and dates, as real ones do. Cloning is measured beside booting.

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel;
use KQueue\Engine;

[$lanes, $providers, $closures, $objects] = array_map(intval(...), array_slice($argv, 1)) + [200, 200, 3000, 5000];
$base = dirname(__DIR__).'/examples/laravel';

require $base.'/vendor/autoload.php';
ini_set('memory_limit', '-1');

/** The generated part: a class for each provider, and a few classes of services. */
$code = <<<'PHP'
    namespace Large;

    use Illuminate\Contracts\Foundation\Application;
    use Illuminate\Support\ServiceProvider;

    final class Setting { public function __construct(public readonly string $name, public array $values, private ?Setting $parent = null) {} }
    final class Node { public array $children = []; public ?Node $parent = null; private ?\Closure $listener = null; public function listen(\Closure $listener): void { $this->listener = $listener; } }
    final class Schedule { public \DateTimeImmutable $since; protected array $options = []; public function __construct(public Node $node, public Setting $setting, string ...$options) { $this->since = new \DateTimeImmutable('2024-01-01'); $this->options = $options; } }

    abstract class Provider extends ServiceProvider
    {
        protected array $kept = [];

        protected function fill(int $number, int $closures, int $objects): void
        {
            $node = null;
            for ($i = 0; $i < $objects; $i++) {
                $made = match ($i % 4) {
                    0 => new Setting("setting $i", ['number' => $number, 'names' => ["a$i", "b$i"]], end($this->kept) instanceof Setting ? end($this->kept) : null),
                    1, 2 => new Node,
                    3 => new Schedule($node, $this->kept[$i - 3], 'daily', "at $i"),
                };
                if ($made instanceof Node) {
                    $made->parent = $node;
                    if ($node !== null) {
                        $node->children[] = $made;
                    }
                    $node = $i % 40 === 1 ? $made : ($node ?? $made);
                }
                $this->kept[] = $made;
            }
            $this->app->instance("large.$number", $this->kept);
            for ($i = 0; $i < $closures; $i++) {
                $subject = $this->kept[$i % max(1, count($this->kept))] ?? null;
                match ($i % 5) {
                    0 => $this->app->bind("large.$number.bound.$i", fn (Application $app) => [$app, $number, $i]),
                    1 => $this->app->singleton("large.$number.single.$i", static fn () => $number * $i),
                    2 => $this->app['events']->listen("large.$number.$i", function (mixed ...$payload) use ($subject, $i) { return [$this, $subject, $i]; }),
                    3 => $this->app->extend("large.$number.bound.".($i - 3), fn ($made) => [$made, $subject]),
                    4 => $this->app->resolving("large.$number.bound.".($i - 4), $this->resolved(...)),
                };
            }
        }

        public function resolved(mixed $made): void {}
    }
    PHP;
for ($i = 0; $i < $providers; $i++) {
    $share = static fn (int $all): int => intdiv($all * ($i + 1), $providers) - intdiv($all * $i, $providers);
    $code .= sprintf("\nfinal class Provider%d extends Provider { public static ?object \$last = null; public function register(): void { \$this->fill(%d, %d, %d); self::\$last = \$this; } }", $i, $i, $share($closures), $share($objects));
}
$file = tempnam(sys_get_temp_dir(), 'kqueue-large');
file_put_contents($file, "<?php\n".$code);
require $file;
unlink($file);

$boot = static function () use ($base, $providers): void {
    $app = require $base.'/bootstrap/app.php';
    $app->make(Kernel::class)->bootstrap();
    for ($i = 0; $i < $providers; $i++) {
        $app->register("Large\\Provider$i");
    }
    foreach (['queue', 'db', 'cache', 'log', 'Illuminate\Contracts\Bus\Dispatcher'] as $service) {
        $app->make($service);
    }
    if (method_exists(KQueue\Lane\Template::class, 'settle')) {
        KQueue\Lane\Template::settle($app);
    }
};
/** Milliseconds of processor time: other programs must not count. */
$cpu = static function (): float {
    $used = getrusage();

    return 1000 * ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) + ($used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) / 1000;
};
$rss = static fn (): float => (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096 / 1048576;

$boots = [];
for ($i = 0; $i < 10; $i++) {
    $began = $cpu();
    $template = Engine::template($boot);
    $boots[] = $cpu() - $began;
}
if ($template['refused'] !== []) {
    exit('cannot be cloned: '.implode('; ', $template['refused'])."\n");
}
sort($boots);
printf("a lane copies %d objects, %d closures, %d arrays: %.1f MB\n", $template['objects'], $template['closures'], $template['arrays'], $template['bytes'] / 1048576);

// Each waits until all have begun, and looks whether its application is its own and whole.
$run = (object) ['begun' => 0, 'peak' => 0.0, 'state' => null, 'wrong' => 0];
$before = $rss();
$run->cpu = -$cpu();
Engine::run(static function () use ($run, $lanes, $providers, $rss, $cpu): void {
    if (! Engine::lead()) {
        return;
    }
    $number = ++$run->begun;
    Engine::reserved(['id' => (string) $number, 'class' => 'bench', 'connection' => '', 'queue' => '']);
    $app = Illuminate\Container\Container::getInstance();
    $app->instance('large.mine', $number);
    $number === $lanes && $run->cpu += $cpu();
    while ($run->begun < $lanes) {
        usleep(200_000);
    }
    $last = "Large\\Provider".($providers - 1);
    $kept = $app->make('large.'.($providers - 1));
    $bound = $app->make('large.0.bound.0');
    $run->wrong += $app->make('large.mine') !== $number || $last::$last === null || ($kept[3]->node ?? null) !== ($kept[1] ?? null)
        || $app->getProvider($last) !== $last::$last || (is_array($bound[0]) ? $bound[0][0] : $bound[0]) !== $app;
    $run->peak = max($run->peak, $rss());
    $run->state ??= Engine::state();
    Engine::finished();
    Engine::stop();
}, $lanes, true);
$clone = $run->cpu / $lanes;
printf("processor time of a boot and a first clone: %.0f ms, of a further lane: %.1f ms, 1/%.0f of it\n", $boots[5], $clone, $boots[5] / $clone);
printf("%d lanes alive at once: %.0f MB in all, %.1f MB a lane\n", $lanes, $run->peak, ($run->peak - $before) / $lanes);
echo $run->wrong === 0 && $run->begun === $lanes ? "each application was its own and whole\n" : "WRONG: {$run->wrong} of {$run->begun}\n";
