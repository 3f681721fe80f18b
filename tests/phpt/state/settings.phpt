--TEST--
Interleaved jobs have their own ini settings, time zone, locale, encodings, directory, umask, environment and seed
--EXTENSIONS--
libxml
kqueue
mbstring
--FILE--
<?php
$kinds = [
    'ini_set' => [fn ($v) => ini_set('precision', (string) $v), fn () => ini_get('precision').' '.(1 / 3), [5, 9]],
    'ini_set of a setting with a handler' => [fn ($v) => ini_set('display_errors', $v), fn () => ini_get('display_errors'), ['stderr', '0']],
    'include_path' => [fn ($v) => set_include_path($v), fn () => get_include_path(), ['/one', '/two:/three']],
    'error_reporting' => [fn ($v) => error_reporting($v), fn () => [error_reporting(), ini_get('error_reporting')], [E_ERROR, E_ALL & ~E_NOTICE]],
    'set_time_limit' => [fn ($v) => set_time_limit($v), fn () => ini_get('max_execution_time'), [1, 2]],
    'memory_limit, lower' => [fn ($v) => ini_set('memory_limit', $v), fn () => ini_get('memory_limit'), ['64M', '65M']],
    'gc_disable' => [fn ($v) => $v ? gc_enable() : gc_disable(), fn () => [gc_enabled(), ini_get('zend.enable_gc')], [0, 1]],
    'serialize_precision' => [fn ($v) => ini_set('serialize_precision', $v), fn () => json_encode(0.1 + 0.2), ['17', '5']],
    // Before anything calls date_default_timezone_set(), which then decides for the whole process.
    'time zone by ini' => [fn ($v) => ini_set('date.timezone', $v), fn () => date('H:i T', 0), ['Asia/Tokyo', 'America/New_York']],
    'time zone' => [fn ($v) => date_default_timezone_set($v), fn () => [date_default_timezone_get(), date('H:i T', 0)], ['Asia/Tokyo', 'America/New_York']],
    'locale' => [fn ($v) => setlocale(LC_ALL, $v), fn () => [setlocale(LC_ALL, 0), setlocale(LC_NUMERIC, 0)], ['C', 'C.UTF-8']],
    'mb_internal_encoding' => [fn ($v) => mb_internal_encoding($v), fn () => [mb_internal_encoding(), mb_strlen("\xc3\xa4")], ['ISO-8859-1', 'UTF-16']],
    'mb_substitute_character' => [fn ($v) => mb_substitute_character($v), fn () => mb_substitute_character(), ['long', 0x3f3f]],
    'mb_detect_order' => [fn ($v) => mb_detect_order($v), fn () => mb_detect_order(), [['UTF-8', 'EUC-JP'], 'SJIS']],
    'mb_language' => [fn ($v) => mb_language($v), fn () => mb_language(), ['Japanese', 'German']],
    'libxml_use_internal_errors' => [fn ($v) => libxml_use_internal_errors($v), fn () => libxml_use_internal_errors(), [true, false]],
    'chdir' => [fn ($v) => chdir($v), fn () => [getcwd(), is_dir('self'), file_exists('passwd')], ['/proc', '/etc']],
    'umask' => [fn ($v) => umask($v), fn () => umask(), [0077, 0]],
    'putenv' => [fn ($v) => putenv("KQUEUE_ONE=$v") && putenv("KQUEUE_$v=yes"), fn () => [getenv('KQUEUE_ONE'), getenv('KQUEUE_a'), getenv('KQUEUE_b'), trim(shell_exec('echo $KQUEUE_ONE'))], ['a', 'b']],
    'putenv without a value' => [fn ($v) => putenv($v ? "KQUEUE_BASE=$v" : 'KQUEUE_BASE'), fn () => getenv('KQUEUE_BASE'), ['', 'other']],
    'time zone by environment' => [fn ($v) => putenv("TZ=$v"), fn () => getenv('TZ'), ['Asia/Tokyo', 'UTC']],
];
putenv('KQUEUE_BASE=base');
ini_set('date.timezone', 'UTC');
$base = fn () => array_map(fn ($kind) => $kind[1](), $kinds);
$atStart = $base();

foreach ($kinds as $name => [$set, $get, $values]) {
    $runtime = new KQueue\Runtime(concurrency: 10, isolated: 0);
    $before = $get();
    $seen = [];
    foreach ([0, 1] as $which) {
        $runtime->dispatch(function () use ($set, $get, $values, $which, &$seen, $before) {
            usleep(300);
            $clean = $get() === $before;
            $returned = $set($values[$which]);
            $mine = $get();
            $kept = true;
            for ($i = 0; $i < 4; $i++) {
                usleep(500 * (1 + $which));
                $kept = $kept && $get() === $mine;
            }
            $seen[$which] = [$clean, $returned !== false, $kept, $mine];
        });
    }
    // A job that changes nothing sees the process's own all the time.
    $runtime->dispatch(function () use ($get, $before, &$seen) { for ($i = 0; $i < 9; $i++) { usleep(300); if ($get() !== $before) { $seen['other'] = $get(); } } });
    $runtime->run();
    $differ = ($seen[0][3] ?? 0) !== ($seen[1][3] ?? 0);
    $right = $differ && ! isset($seen['other']) && $get() === $before;
    foreach ([0, 1] as $which) {
        $right = $right && $seen[$which][0] && $seen[$which][2];
    }
    echo $name, ': ', $right ? 'own' : 'WRONG '.json_encode([$before, $seen, $get()]), "\n";
}
echo $base() === $atStart ? "all as before\n" : json_encode([$atStart, $base()]);

// Seeds. Who does not seed draws from the process's generator.
mt_srand(1);
$process = [mt_rand(), mt_rand()];
mt_srand(1);
mt_rand();
$draw = function (int $seed) { mt_srand($seed); $numbers = []; for ($i = 0; $i < 4; $i++) { $numbers[] = mt_rand(1, 1000); usleep(300); } shuffle($numbers); return [...$numbers, rand(1, 1000), array_rand([1, 2, 3, 4, 5, 6, 7])]; };
$alone = [];
foreach ([5, 6, 7] as $seed) {
    $runtime->dispatch(function () use ($draw, $seed, &$alone) { $alone[$seed] = $draw($seed); });
    $runtime->run();
}
$together = [];
foreach ([5, 6, 7] as $seed) {
    $runtime->dispatch(function () use ($draw, $seed, &$together) { $together[$seed] = $draw($seed); });
}
$runtime->run();
ksort($together);
echo $alone === $together ? 'seeds: own' : json_encode([$alone, $together]), ', ', mt_rand() === $process[1] ? "the process's goes on" : 'CHANGED', "\n";

// A memory limit that is raised is raised for all; the timer is nobody's.
$runtime->dispatch(function () { ini_set('memory_limit', '700M'); set_time_limit(1); });
$runtime->run();
echo ini_get('memory_limit'), ' ', ini_get('max_execution_time'), "\n";
$runtime->dispatch(function () { ini_set('memory_limit', '1M'); echo strlen(str_repeat('x', 5000000)), ' ', ini_get('memory_limit'), "\n"; ini_restore('memory_limit'); echo ini_get('memory_limit'), "\n"; });
$runtime->run();

// An ini setting set twice, restored, and set to what it was.
$runtime->dispatch(function () { ini_set('precision', '3'); ini_set('precision', '4'); usleep(100); echo 10 / 3, ' '; ini_restore('precision'); usleep(100); echo 10 / 3, ' '; ini_set('precision', '14'); usleep(100); echo ini_set('precision', '6'), ' ', 10 / 3, ' ', var_export(@ini_set('no.such', '1'), true), "\n"; });
$runtime->dispatch(function () { usleep(150); echo 10 / 3, ' '; });
$runtime->run();
// Left by an exception, an exit, a timeout.
$runtime->onFailed(fn () => null);
foreach ([fn () => throw new Exception, function () { exit; }, fn () => sleep(10)] as $end) {
    $runtime->dispatch(function () use ($end) { chdir('/proc'); ini_set('precision', '2'); date_default_timezone_set('Asia/Tokyo'); usleep(100); $end(); }, timeout: 0.05);
}
$runtime->run();
unset($base);
echo json_encode([ini_get('precision'), date_default_timezone_get(), getcwd() === $atStart['chdir'][0]]), "\n";
?>
--INI--
memory_limit=600M
precision=14
date.timezone=UTC
--EXPECT--
ini_set: own
ini_set of a setting with a handler: own
include_path: own
error_reporting: own
set_time_limit: own
memory_limit, lower: own
gc_disable: own
serialize_precision: own
time zone by ini: own
time zone: own
locale: own
mb_internal_encoding: own
mb_substitute_character: own
mb_detect_order: own
mb_language: own
libxml_use_internal_errors: own
chdir: own
umask: own
putenv: own
putenv without a value: own
time zone by environment: own
all as before
seeds: own, the process's goes on
700M 0
5000000 1M
600M
3.333 3.3333333333333 3.3333333333333 14 3.33333 false
["14","UTC",true]
