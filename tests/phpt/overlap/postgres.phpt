--TEST--
PDO PostgreSQL and ext/pgsql: jobs that wait for PostgreSQL
--EXTENSIONS--
posix
pdo
pdo_pgsql
pgsql
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/servers.inc';
skip_without('postgres', 'initdb', 'setpriv');
?>
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
require __DIR__.'/../lib/servers.inc';
['port' => $port, 'folder' => $folder] = postgres_server();
$connect = fn (array $options = [], string $host = '127.0.0.1') => new PDO("pgsql:host=$host;port=$port;dbname=postgres", 'test', null, $options);
$connect()->exec('CREATE TABLE counters (name INT PRIMARY KEY, value INT)');

row('pdo-pgsql-query', fn ($seconds, $which) => $connect()->query("SELECT $which, pg_sleep($seconds)")->fetchColumn(), fn ($which) => $which);
row('pdo-pgsql-socket', fn ($seconds, $which) => $connect([], $folder)->query("SELECT $which, pg_sleep($seconds)")->fetchColumn(), fn ($which) => $which);
$prepared = fn (bool $emulated) => function ($seconds, $which) use ($connect, $emulated) {
    $statement = $connect([PDO::ATTR_EMULATE_PREPARES => $emulated])->prepare('SELECT CAST(? AS int), pg_sleep(CAST(? AS float))');
    $statement->execute([$which, $seconds]);

    return $statement->fetchColumn();
};
row('pdo-pgsql-prepared', $prepared(false), fn ($which) => $which);
row('pdo-pgsql-emulated', $prepared(true), fn ($which) => $which);
// Half of the jobs take back what they wrote. None sees what a neighbour wrote and has not committed.
row('pdo-pgsql-transaction', function ($seconds, $which) use ($connect) {
    $pdo = $connect();
    $pdo->exec("DELETE FROM counters WHERE name = $which");
    $pdo->beginTransaction();
    $pdo->exec("INSERT INTO counters VALUES ($which, $which)");
    $own = $pdo->query("SELECT value FROM counters WHERE name = $which")->fetchColumn();
    $pdo->query("SELECT pg_sleep($seconds)")->fetch();
    $which % 2 ? $pdo->commit() : $pdo->rollBack();

    return [$own, $pdo->inTransaction(), $pdo->query("SELECT COUNT(*) FROM counters WHERE name = $which")->fetchColumn()];
}, fn ($which) => [$which, false, $which % 2]);
row('pdo-pgsql-lock', function ($seconds) use ($connect) {
    $pdo = $connect();
    $pdo->query('SELECT pg_advisory_lock(1)')->fetch();
    usleep((int) ($seconds * 1e6));

    return $pdo->query('SELECT pg_advisory_unlock(1)')->fetchColumn();
}, true, 4);
row('pdo-pgsql-notify', function ($seconds, $which) use ($connect) {
    $pdo = $connect();
    $pdo->exec("LISTEN channel$which");
    $nothing = $pdo->pgsqlGetNotify(PDO::FETCH_NUM, (int) ($seconds * 1000));
    $connect()->exec("NOTIFY channel$which, 'text $which'");

    return [$nothing, $pdo->pgsqlGetNotify(PDO::FETCH_ASSOC, 10000)['payload']];
}, fn ($which) => [false, "text $which"]);

// By default pg_connect() gives every caller with the same address the same connection.
$link = fn () => pg_connect("host=127.0.0.1 port=$port dbname=postgres user=test", PGSQL_CONNECT_FORCE_NEW);
row('pgsql-query', fn ($seconds, $which) => pg_fetch_row(pg_query($link(), "SELECT $which, pg_sleep($seconds)"))[0], fn ($which) => "$which");
row('pgsql-params', fn ($seconds, $which) => pg_fetch_row(pg_query_params($link(), 'SELECT $1::int, pg_sleep($2)', [$which, $seconds]))[0], fn ($which) => "$which");
row('pgsql-async', function ($seconds, $which) use ($link) {
    $link = $link();
    pg_send_query($link, "SELECT $which, pg_sleep($seconds)");

    return pg_fetch_row(pg_get_result($link))[0];
}, fn ($which) => "$which");
?>
--EXPECT--
pdo-pgsql-query: as documented
pdo-pgsql-socket: as documented
pdo-pgsql-prepared: as documented
pdo-pgsql-emulated: as documented
pdo-pgsql-transaction: as documented
pdo-pgsql-lock: as documented
pdo-pgsql-notify: as documented
pgsql-query: as documented
pgsql-params: as documented
pgsql-async: as documented
