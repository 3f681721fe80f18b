--TEST--
A lane's stack frees long lists; recursion that would overflow it is an error (PHP 8.3), or the end of the process by the page below it
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

$code = <<<'PHP'
final class Link
{
    public ?Link $next = null;
}

$runtime = new KQueue\Runtime(10, 0);
$runtime->onFailed(static function (int $id, mixed $error): void {
    echo get_class($error), ': ', preg_replace('/\d+/', 'N', $error->getMessage()), "\n";
});
$runtime->dispatch(static function (): void {
    for ($list = null, $i = 0; $i < 100_000; $i++) {
        $link = new Link;
        $link->next = $list;
        $list = $link;
    }
    unset($list, $link);
    for ($nested = [], $i = 0; $i < 100_000; $i++) {
        $nested = [$nested];
    }
    unset($nested);
    echo preg_match('/^(?:a|b)*$/', str_repeat('ab', 100_000)) === false ? "PCRE has a limit\n" : "PCRE recurses\n";
    echo "freed\n";
});
$runtime->run();
$recurse = static function (array $level) use (&$recurse): array {
    return array_map($recurse, [[$level]]);
};
$runtime->dispatch(static fn () => $recurse([]));
$runtime->run();
echo "still there\n";
PHP;

foreach (['16 MB' => [], '1 MB, by the setting' => ['-d', 'fiber.stack_size=1M']] as $size => $options) {
    ['signal' => $signal, 'output' => $output] = run_php($code, [], [...$options, '-d', 'memory_limit=-1']);
    $freed = str_contains($output, 'freed');
    $ended = PHP_VERSION_ID >= 80300 ? str_contains($output, 'Error: Maximum call stack size of N bytes') && str_contains($output, 'still there') : $signal === 11;
    echo $size, ': ', json_encode([$freed, $freed ? $ended : $signal === 11]), "\n";
}
?>
--EXPECT--
16 MB: [true,true]
1 MB, by the setting: [false,true]
