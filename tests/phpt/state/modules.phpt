--TEST--
What extensions keep in globals is each job's own; a new lane begins with the process's modes; what cannot be apart is refused
--EXTENSIONS--
kqueue
posix
sockets
dom
mysqlnd
mysqli
gettext
mbstring
iconv
--SKIPIF--
<?php if (! extension_loaded('dom') || ! extension_loaded('mysqli')) { echo 'skip extensions are missing'; } ?>
--FILE--
<?php
// What the program has set, lanes begin with: error mode and entity loader of libxml, mysqli's reports.
libxml_use_internal_errors(true);
libxml_set_external_entity_loader($loader = fn () => null);
mysqli_report(MYSQLI_REPORT_INDEX);
(new DOMDocument)->loadXML('<program');
posix_getpgid(-1);
function program_loader($class): void {}
spl_autoload_register('program_loader');

$kinds = [
    'posix_errno' => [fn ($n) => $n ? posix_getpgid(-1) : posix_access('/no such file'), fn () => posix_errno()],
    'socket_last_error' => [fn ($n) => @socket_create(AF_INET, SOCK_STREAM, $n ? 250 : 1), fn () => socket_last_error()],
    'preg_last_error' => [fn ($n) => preg_match('/x/u', $n ? "\xff" : 'x'), fn () => preg_last_error()],
    'date_get_last_errors' => [fn ($n) => date_create($n ? 'no date' : 'none'), fn () => date_get_last_errors()],
    'openssl_error_string' => [fn ($n) => $n && openssl_pkey_get_private('no key'), fn () => $GLOBALS['once'] ? openssl_error_string() : null],
    'pcntl_errno' => [fn ($n) => @pcntl_getpriority($n ? 2147483647 : null, $n ? PRIO_PROCESS : PRIO_PROCESS), fn () => pcntl_get_last_error()],
    'libxml errors' => [fn ($n) => @(new DOMDocument)->loadXML($n ? '<a>' : '<b b=>'), fn () => [count(libxml_get_errors()), libxml_get_last_error()->message ?? null]],
    'libxml_use_internal_errors' => [fn ($n) => libxml_use_internal_errors((bool) $n), fn () => libxml_use_internal_errors()],
    'entity loader' => [fn ($n) => libxml_set_external_entity_loader($n ? null : fn () => null), fn () => libxml_get_external_entity_loader()],
    'libxml_set_streams_context' => [
        fn ($n) => libxml_set_streams_context(stream_context_create(['file' => ['n' => $n]])),
        fn () => (function () { stream_wrapper_register('look', Look::class); @(new DOMDocument)->load('look://x'); stream_wrapper_unregister('look'); return Look::$seen; })(),
    ],
    'mysqli_report' => [fn ($n) => mysqli_report($n ? MYSQLI_REPORT_OFF : MYSQLI_REPORT_ALL), fn () => (new mysqli_driver)->report_mode],
    'assert callback' => [fn ($n) => @assert_options(ASSERT_CALLBACK, $n ? 'strlen' : 'strrev'), fn () => @assert_options(ASSERT_CALLBACK)],
    'spl_autoload_extensions' => [fn ($n) => spl_autoload_extensions($n ? '.one' : '.two'), fn () => spl_autoload_extensions()],
    'spl_autoload_unregister' => [fn ($n) => $n && spl_autoload_unregister('program_loader'), fn () => count(spl_autoload_functions())],
    'textdomain' => [fn ($n) => textdomain($n ? 'one' : 'two'), fn () => textdomain(null)],
    'bindtextdomain' => [fn ($n) => bindtextdomain('one', $n ? '/proc' : '/usr'), fn () => bindtextdomain('one', null)],
];
class Look
{
    public static mixed $seen = null;
    public $context;
    public function stream_open() { self::$seen = $this->context ? stream_context_get_options($this->context) : null; return false; }
    public function url_stat() { return false; }
    public static function load($class) {}
}

foreach ($kinds as $name => [$change, $look]) {
    $once = false;
    $before = $look();
    $runtime = new KQueue\Runtime(concurrency: 10, isolated: 0);
    $seen = [];
    foreach ([0, 1] as $n) {
        $runtime->dispatch(function () use ($change, $look, $n, &$seen) {
            usleep(300);
            $change($n);
            for ($i = 0; $i < 4; $i++) {
                usleep(300 + 200 * $n);
            }
            $GLOBALS['once'] = true;
            $seen[$n] = $look();
            $GLOBALS['once'] = false;
        });
    }
    $other = [];
    $runtime->dispatch(function () use ($look, &$other) { for ($i = 0; $i < 9; $i++) { $other[] = $look(); usleep(300); } });
    $runtime->run();
    $alone = [];
    foreach ([0, 1] as $n) {
        $runtime->dispatch(function () use ($change, $look, $n, &$alone) { $change($n); $GLOBALS['once'] = true; $alone[$n] = $look(); $GLOBALS['once'] = false; });
        $runtime->run();
    }
    // Closures and their like are compared as themselves only where they are the same.
    $right = serialize_all($seen) === serialize_all($alone) && count(array_unique(array_map(fn ($value) => serialize_all($value), $other))) === 1 && $look() == $before;
    echo $name, ': ', $right ? 'own' : 'WRONG '.json_encode([$seen, $alone, $other, $before, $look()]), "\n";
}
function serialize_all(mixed $value): string { ksort_if($value); return preg_replace('/#\d+/', '', print_r($value, true)); }
function ksort_if(mixed &$value): void { is_array($value) && ksort($value); }

$errors = count(libxml_get_errors());
$runtime->dispatch(function () use ($loader) {
    echo 'begins with: ', json_encode([libxml_use_internal_errors(), libxml_get_external_entity_loader() === $loader, (new mysqli_driver)->report_mode === MYSQLI_REPORT_INDEX, count(libxml_get_errors())]), "\n";
});
$runtime->run();
echo "the program's: ", json_encode([count(libxml_get_errors()) === $errors, posix_errno(), spl_autoload_functions()]), "\n";

// What a lane registers goes with it, also if it has removed one of the program's.
$runtime->dispatch(function () { spl_autoload_register(Look::load(...)); spl_autoload_unregister('program_loader'); usleep(100); spl_autoload_register(Look::load(...)); echo count(spl_autoload_functions()), ' '; });
$runtime->run();
echo json_encode(spl_autoload_functions()), "\n";

// Refused.
foreach (['session_start' => [], 'posix_setuid' => [0], 'mb_ereg_search_init' => ['a'], 'pcntl_unshare' => [0], 'output_add_rewrite_var' => ['a', 'b'], 'output_reset_rewrite_vars' => []] as $function => $arguments) {
    if (! function_exists($function)) {
        echo "$function: no\n";
        continue;
    }
    $runtime->dispatch(function () use ($function, $arguments) {
        try {
            $function(...$arguments);
        } catch (KQueue\Exception\Unsupported $error) {
            echo $function, ': ', str_contains($error->getMessage(), '$isolated = true') ? 'says what to do' : $error->getMessage(), "\n";
        }
    });
    $runtime->run();
}

// A decision for each; nothing that is loaded here is unknown.
$unknown = array_filter(KQueue\Engine::extensions(), fn ($decision) => $decision['verdict'] === 'unknown');
echo 'unknown: ', implode(', ', array_keys($unknown)) ?: 'none', "\n";
?>
--EXPECT--
posix_errno: own
socket_last_error: own
preg_last_error: own
date_get_last_errors: own
openssl_error_string: own
pcntl_errno: own
libxml errors: own
libxml_use_internal_errors: own
entity loader: own
libxml_set_streams_context: own
mysqli_report: own
assert callback: own
spl_autoload_extensions: own
spl_autoload_unregister: own
textdomain: own
bindtextdomain: own
begins with: [true,true,true,0]
the program's: [true,3,["program_loader"]]
2 ["program_loader"]
session_start: says what to do
posix_setuid: says what to do
mb_ereg_search_init: says what to do
pcntl_unshare: says what to do
output_add_rewrite_var: says what to do
output_reset_rewrite_vars: says what to do
unknown: none
