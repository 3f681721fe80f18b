--TEST--
PDO MySQL and mysqli: jobs that wait for MariaDB
--EXTENSIONS--
posix
mysqlnd
pdo
pdo_mysql
mysqli
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/servers.inc';
skip_without('mariadbd', 'setpriv');
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/servers.inc';
['port' => $port, 'socket' => $socket] = mysql_server();
$connect = fn (array $options = [], ?string $at = null) => new PDO('mysql:dbname=test;'.($at ?? "host=127.0.0.1;port=$port"), 'root', '', $options);
$connect()->exec('CREATE TABLE counters (name INT, value INT, PRIMARY KEY (name)) ENGINE = InnoDB');
$connect()->exec('INSERT INTO counters VALUES (100, 0)');

row('pdo-mysql-query', fn ($seconds, $which) => $connect()->query("SELECT SLEEP($seconds), $which")->fetch(PDO::FETCH_NUM), fn ($which) => [0, $which]);
row('pdo-mysql-socket', fn ($seconds, $which) => $connect([], "unix_socket=$socket")->query("SELECT SLEEP($seconds), $which")->fetch(PDO::FETCH_NUM), fn ($which) => [0, $which]);
$prepared = fn (bool $emulated) => function ($seconds, $which) use ($connect, $emulated) {
    $statement = $connect([PDO::ATTR_EMULATE_PREPARES => $emulated])->prepare('SELECT SLEEP(?), ? + 0');
    $statement->execute([$seconds, $which]);

    return array_map(intval(...), $statement->fetch(PDO::FETCH_NUM));
};
row('pdo-mysql-prepared', $prepared(false), fn ($which) => [0, $which]);
row('pdo-mysql-emulated', $prepared(true), fn ($which) => [0, $which]);
row('pdo-mysql-unbuffered', function ($seconds, $which) use ($connect) {
    $numbers = [];
    foreach ($connect([PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false])->query("SELECT seq + $which, SLEEP($seconds / 3) FROM seq_1_to_3") as [$number]) {
        $numbers[] = (int) $number;
    }

    return $numbers;
}, fn ($which) => [1 + $which, 2 + $which, 3 + $which]);

// Half of the jobs take back what they wrote. None sees what a neighbour wrote and has not committed.
row('pdo-mysql-transaction', function ($seconds, $which) use ($connect) {
    $pdo = $connect();
    $pdo->beginTransaction();
    $pdo->exec("REPLACE INTO counters VALUES ($which, $which)");
    $own = (int) $pdo->query("SELECT value FROM counters WHERE name = $which")->fetchColumn();
    $pdo->query("SELECT SLEEP($seconds)")->fetch();
    $which % 2 ? $pdo->commit() : $pdo->rollBack();

    return [$own, $pdo->inTransaction(), (int) $pdo->query("SELECT COUNT(*) FROM counters WHERE name = $which")->fetchColumn()];
}, fn ($which) => [$which, false, $which % 2]);
row('pdo-mysql-lock', function ($seconds) use ($connect) {
    $pdo = $connect();
    $pdo->beginTransaction();
    $value = (int) $pdo->query('SELECT value FROM counters WHERE name = 100 FOR UPDATE')->fetchColumn();
    usleep((int) ($seconds * 1e6));
    $pdo->exec('UPDATE counters SET value = '.($value + 1).' WHERE name = 100');
    $pdo->commit();
}, null, 4);
echo $connect()->query('SELECT value FROM counters WHERE name = 100')->fetchColumn() % 4 === 0 ? '' : "an update was lost\n";

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$mysqli = fn () => new mysqli('127.0.0.1', 'root', '', 'test', $port);
row('mysqli-query', fn ($seconds, $which) => $mysqli()->query("SELECT SLEEP($seconds), $which")->fetch_row(), fn ($which) => ['0', "$which"]);
row('mysqli-prepared', function ($seconds, $which) use ($mysqli) {
    $link = $mysqli();
    $statement = $link->prepare('SELECT SLEEP(?), ?');
    $statement->bind_param('di', $seconds, $which);
    $statement->execute();

    return $statement->get_result()->fetch_row();
}, fn ($which) => [0, $which]);
row('mysqli-poll', function ($seconds, $which) use ($mysqli) {
    $link = $mysqli();
    $link->query("SELECT SLEEP($seconds), $which", MYSQLI_ASYNC);
    do {
        $read = $error = $reject = [$link];
    } while (! mysqli_poll($read, $error, $reject, 10));

    return $link->reap_async_query()->fetch_row();
}, fn ($which) => ['0', "$which"]);
?>
--EXPECT--
pdo-mysql-query: as documented
pdo-mysql-socket: as documented
pdo-mysql-prepared: as documented
pdo-mysql-emulated: as documented
pdo-mysql-unbuffered: as documented
pdo-mysql-transaction: as documented
pdo-mysql-lock: as documented
mysqli-query: as documented
mysqli-prepared: as documented
mysqli-poll: as documented
