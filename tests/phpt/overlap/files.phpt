--TEST--
Locks on files, SQLite's locks, FIFOs
--EXTENSIONS--
posix
pdo
pdo_sqlite
kqueue
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/servers.inc';
$folder = server_folder('files');
file_put_contents("$folder/counter", '0');
row('flock', function ($seconds) use ($folder) {
    $file = fopen("$folder/counter", 'r+');
    flock($file, LOCK_EX);
    $value = (int) stream_get_contents($file);
    usleep((int) ($seconds * 1e6));
    rewind($file);
    fwrite($file, (string) ($value + 1));
    fclose($file);
}, null, 4);
echo (int) file_get_contents("$folder/counter") % 4 === 0 ? '' : "a write was lost\n";

$open = function () use ($folder) {
    $pdo = new PDO("sqlite:$folder/sqlite");
    $pdo->exec('PRAGMA busy_timeout = 20000');

    return $pdo;
};
$open()->exec('CREATE TABLE counters (value INTEGER)');
$open()->exec('INSERT INTO counters VALUES (0)');
row('sqlite', function ($seconds) use ($open) {
    $pdo = $open();
    $pdo->exec('BEGIN IMMEDIATE');
    $value = $pdo->query('SELECT value FROM counters')->fetchColumn();
    usleep((int) ($seconds * 1e6));
    $pdo->exec('UPDATE counters SET value = '.($value + 1));
    $pdo->exec('COMMIT');
}, null, 4);
echo $open()->query('SELECT value FROM counters')->fetchColumn() % 4 === 0 ? '' : "an update was lost\n";

$fifo = function (string $name) use ($folder) {
    $fifo = "$folder/$name-".bin2hex(random_bytes(4));
    posix_mkfifo($fifo, 0600);

    return $fifo;
};
// Nobody is left at the other end when a job has gone at its deadline.
row('fifo-open-read', function ($seconds, $which) use ($fifo) {
    $fifo = $fifo('read');
    proc_close(proc_open("timeout 5 sh -c 'exec >/dev/null 2>&1; sleep $seconds; echo text $which >$fifo' &", [], $pipes));

    return file_get_contents($fifo);
}, fn ($which) => "text $which\n");
row('fifo-open-write', function ($seconds, $which) use ($fifo) {
    $fifo = $fifo('write');
    $reader = proc_open("exec 2>/dev/null; sleep $seconds; timeout 5 cat $fifo", [1 => ['pipe', 'w']], $pipes);
    file_put_contents($fifo, "text $which");

    return [stream_get_contents($pipes[1]), proc_close($reader)];
}, fn ($which) => ["text $which", 0]);
row('fifo-read', function ($seconds, $which) use ($fifo) {
    $fifo = $fifo('both');
    $handle = fopen($fifo, 'r+');
    proc_close(proc_open("timeout 5 sh -c 'exec >/dev/null 2>&1; sleep $seconds; echo text $which >$fifo' &", [], $pipes));

    return fgets($handle);
}, fn ($which) => "text $which\n");
?>
--EXPECT--
flock: as documented
sqlite: as documented
fifo-open-read: as documented
fifo-open-write: as documented
fifo-read: as documented
