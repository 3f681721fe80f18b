<?php

// What a switch costs: tools/php benches/switches.php [lanes=1000] [rounds=300]
//
// Many lanes that only give up the processor and go on, in a process with as many static properties and functions with static
// variables as a Laravel application has; then without each exchange. A suspend + resume is two exchanges.

declare(strict_types=1);

use KQueue\Engine;

$lanes = (int) ($argv[1] ?? 1000);
$rounds = (int) ($argv[2] ?? 300);
$case = $argv[3] ?? null;

if ($case === null) {
    $run = static function (string $case, string $without = '') use ($lanes, $rounds): float {
        $times = [];
        for ($i = 0; $i < 5; $i++) {
            $times[] = (float) shell_exec(sprintf('KQUEUE_TEST_WITHOUT=%s %s %s %d %d %s', $without, escapeshellarg(getenv('KQUEUE_BENCH_PHP') ?: dirname(__DIR__).'/tools/php'), escapeshellarg(__FILE__), $lanes, $rounds, $case));
        }

        return min($times);
    };
    $all = 'statics,functions,symbols,globals,settings';
    $none = $run('plain', $all);
    printf("%d lanes, best of 5, processor time: a suspend + resume takes %.0f ns without any exchange\n", $lanes, $none);
    printf("  %.0f ns with all (%+.0f)\n", $with = $run('plain'), $with - $none);
    foreach (explode(',', $all) as $what) {
        printf("    of which %s: %.0f ns\n", $what, $with - $run('plain', $what));
    }
    foreach (['ini', 'zone', 'locale', 'directory', 'umask', 'environment', 'seed'] as $kind) {
        printf("  in lanes that have changed %s: %+.0f ns\n", $kind, $run($kind) - $with);
    }
    exit;
}

ini_set('memory_limit', '-1');
for ($i = 0; $i < 60; $i++) {
    eval("class C$i { public static \$a = 1, \$b = [], \$c = null; public static ?object \$d = null; public static function f() { return ++self::\$a; } }");
}
for ($i = 0; $i < 40; $i++) {
    eval("function f$i() { static \$n = 0; return ++\$n; }");
}
$change = match ($case) {
    'plain' => static fn () => null,
    'ini' => static fn () => ini_set('precision', '7'),
    'zone' => static fn () => date_default_timezone_set('Asia/Tokyo'),
    'locale' => static fn () => setlocale(LC_ALL, 'C'),
    'directory' => static fn () => chdir('/usr'),
    'umask' => static fn () => umask(0077),
    'environment' => static fn () => putenv('KQUEUE_BENCH=1'),
    'seed' => static fn () => mt_srand(1),
};
// Processor time: other programs must not count.
$cpu = static function (): int {
    $used = getrusage();

    return 1000 * (1_000_000 * ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) + $used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']);
};
$run = (object) ['begun' => 0, 'ready' => 0, 'switches' => 0, 'from' => 0];
Engine::run(static function () use ($run, $lanes, $rounds, $change, $cpu): void {
    if (! Engine::lead()) {
        return;
    }
    $last = ++$run->begun >= $lanes;
    Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
    if ($last) {
        Engine::stop();
    }
    for ($i = 0; $i < 60; $i++) {
        ('C'.$i)::f();
        ('C'.$i)::$d = new stdClass;
    }
    for ($i = 0; $i < 40; $i++) {
        ('f'.$i)();
    }
    $change();
    $run->ready++;
    while ($run->ready < $lanes) {
        usleep(1000);
    }
    if ($run->from === 0) {
        $run->from = $cpu();
        $run->switches = Engine::state()['suspensions'];
    }
    for ($i = 0; $i < $rounds; $i++) {
        usleep(1);
    }
    $run->end = [$cpu(), Engine::state()['suspensions']];
    Engine::finished();
}, $lanes, false);
printf("%.1f\n", ($run->end[0] - $run->from) / max(1, $run->end[1] - $run->switches));
