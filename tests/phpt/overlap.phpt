--TEST--
docs/overlap.md says what rows.json says, and every row is tested
--SKIPIF--
<?php is_file(__DIR__.'/../../docs/overlap.md') || exit('skip no documents here'); ?>
--FILE--
<?php
require __DIR__.'/lib/rows.inc';
$root = dirname(__DIR__, 2);
$written = explode(TABLES_BEGIN, file_get_contents("$root/docs/overlap.md"))[1] ?? '';
echo $written === tables() ? 'as written' : 'differs: tools/php tests/phpt/lib/rows-update.inc writes it anew', "\n";
$missing = [];
foreach (rows() as $id => $row) {
    // A test names the row that it measures.
    if (! str_contains((string) @file_get_contents("$root/{$row['test']}"), "row('$id'")) {
        echo "$id is not tested in {$row['test']}\n";
    }
    if (! isset($row['took'])) {
        $missing[] = $id;
    }
}
echo $missing ? 'never measured: '.implode(', ', $missing)."\n" : '';
?>
--EXPECT--
as written
