--TEST--
SQLite: a writer that waits for another's lock suspends its lane, and the holder goes on
--EXTENSIONS--
pdo
pdo_sqlite
kqueue
--FILE--
<?php
$file = tempnam(sys_get_temp_dir(), 'kqueue');
$open = function () use ($file) {
    $pdo = new PDO("sqlite:$file", options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $pdo->exec('PRAGMA busy_timeout = 15000');
    return $pdo;
};
$open()->exec('CREATE TABLE counters (name TEXT, value INTEGER)');
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->onFailed(function ($id, $error) { echo "$id: ", $error->getMessage(), "\n"; });
$order = [];
for ($i = 0; $i < 4; $i++) {
    $runtime->dispatch(function () use ($i, $open, &$order) {
        $pdo = $open();
        $order[] = "$i wants";
        $pdo->exec('BEGIN IMMEDIATE');
        $pdo->exec("INSERT INTO counters VALUES ('job $i', $i)");
        usleep(50000);
        $pdo->exec('COMMIT');
        $order[] = "$i committed";
    });
}
$runtime->run();
echo implode(', ', array_slice($order, 0, 4)), "\n";
echo json_encode($open()->query('SELECT name FROM counters ORDER BY value')->fetchAll(PDO::FETCH_COLUMN)), "\n";
unlink($file);
?>
--EXPECT--
0 wants, 1 wants, 2 wants, 3 wants
["job 0","job 1","job 2","job 3"]
