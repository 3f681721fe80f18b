<?php

// Tries each extension of .build/extensions/VERSION alone, then all together, and writes docs/extensions.md: php table.php 8.2 8.4
// Ends with 1 if any was not as it has to be. See tools/test-extensions.

const FIRST = ['igbinary', 'msgpack', 'pdo', 'mysqlnd', 'raphf', 'xml', 'dom'];
const NEEDS = ['http' => ['iconv', 'raphf'], 'mysqli' => ['mysqlnd'], 'pdo_mysql' => ['mysqlnd', 'pdo'], 'pdo_pgsql' => ['pdo'], 'pdo_sqlite' => ['pdo'], 'pdo_odbc' => ['pdo'], 'pdo_dblib' => ['pdo'], 'pdo_firebird' => ['pdo'], 'redis' => ['igbinary'], 'memcached' => ['igbinary', 'msgpack'], 'mailparse' => ['mbstring'], 'xmlreader' => ['dom'], 'xsl' => ['dom'], 'pq' => ['raphf'], 'ps' => ['gd'], 'xmlrpc' => ['xml']];
// They stand in for the engine's own functions, or refuse each other's company.
const NOT_TOGETHER = ['opcache', 'xdebug', 'tideways_xhprof', 'uopz', 'pcov', 'excimer', 'gmagick'];
const NAMES = ['opcache' => 'zend opcache', 'libvirt-php' => 'libvirt'];

$root = dirname(__DIR__, 2);
$bad = 0;
/** @return array{array<string, mixed>|null, string} */
function attempt(string $folder, array $extensions): array
{
    $command = ['timeout', '-k', '5', '60', "$folder/bin/php", '-d', 'display_startup_errors=0', '-d', 'opcache.enable_cli=1', '-d', 'extension=kqueue.so'];
    foreach ($extensions as $extension) {
        array_push($command, '-d', (in_array($extension, ['opcache', 'xdebug'], true) ? 'zend_extension' : 'extension')."=$extension.so");
    }
    $process = proc_open([...$command, __DIR__.'/try.php'], [['file', '/dev/null', 'r'], ['pipe', 'w'], ['file', '/dev/null', 'w']], $pipes);
    $output = stream_get_contents($pipes[1]);
    $status = proc_close($process);
    $start = strpos($output, '{"lanes"');

    return [$start === false ? null : json_decode(substr($output, $start), true), $status === 0 ? '' : "ended with $status"];
}
$text = '';
foreach (array_slice($argv, 1) as $version) {
    $folder = "$root/.build/extensions/$version";
    $packages = [];
    foreach (file("$folder/packages", FILE_IGNORE_NEW_LINES) as $line) {
        [$extension, $package, $release] = explode(' ', $line);
        $packages[$extension] = "$package $release";
    }
    $rows = '';
    foreach ($packages as $extension => $package) {
        [$result, $end] = attempt($folder, [...(NEEDS[$extension] ?? []), $extension]);
        $decision = $result['extensions'][NAMES[$extension] ?? $extension] ?? null;
        $worked = $result !== null && $result['lanes'] && $result['children'] && $result['timeouts'] && $result['clones'] && $decision !== null && $end === '';
        $refused = $extension === 'xdebug';
        $bad += (int) (! $worked && ! $refused);
        $said = $worked ? 'yes' : ($refused ? 'no: a run does not start' : 'NO '.$end);
        $rows .= "| $extension | $package | $said | ".($decision['verdict'] ?? '–').' | '.($decision['reason'] ?? '–')." |\n";
    }
    $all = array_values(array_unique([...FIRST, ...array_diff(array_keys($packages), NOT_TOGETHER)]));
    // What needs others comes last.
    $all = [...array_diff($all, array_keys(NEEDS)), ...array_intersect($all, array_keys(NEEDS))];
    [$result, $end] = attempt($folder, $all);
    $together = $result !== null && $result['lanes'] && $result['children'] && $result['timeouts'] && $result['clones'] && $end === '';
    $bad += (int) ! $together;
    $text .= "\n## PHP $version, ".date('Y-m-d')."\n\nAll together, but for ".implode(', ', array_intersect(NOT_TOGETHER, array_keys($packages))).': '.count($result['extensions'] ?? []).' extensions, '.($together ? 'as alone' : "NOT as alone $end").".\n\n| extension | Debian's package | lanes, clones, children, timeouts | verdict | what it is about |\n|---|---|---|---|---|\n$rows";
}
$file = "$root/docs/extensions.md";
$head = strstr(file_get_contents($file), "\n## PHP ", true) ?: file_get_contents($file);
file_put_contents($file, rtrim($head)."\n".$text);
echo $bad === 0 ? "all extensions: as they have to be\n" : "$bad extensions are not as they have to be, see docs/extensions.md\n";
exit($bad === 0 ? 0 : 1);
