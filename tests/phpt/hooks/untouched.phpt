--TEST--
Regular files and the standard streams are not waited for; after run() the hooks are gone
--EXTENSIONS--
kqueue
--STDIN--
line one
line two
--FILE--
<?php
$file = tempnam(sys_get_temp_dir(), 'kqueue');
$order = [];
$runtime = new KQueue\Runtime(isolated: 0);
foreach (['A', 'B'] as $name) {
    $runtime->dispatch(function () use ($name, $file, &$order) {
        $order[] = "$name begins";
        for ($i = 0; $i < 20; $i++) {
            file_put_contents("$file.$name", str_repeat($name, 100000), FILE_APPEND);
            clearstatcache();
            strlen(file_get_contents("$file.$name")) === filesize("$file.$name") || print('wrong ');
        }
        fwrite(STDOUT, "$name on stdout\n");
        $order[] = "$name read ".trim(fgets(STDIN));
        unlink("$file.$name");
        $order[] = "$name ends";
    });
}
$runtime->run();
unlink($file);
echo implode(', ', $order), "\n";
echo 'suspensions: ', $runtime->stats()['suspensions'], "\n";

// Hooks: only while a run is under way.
echo 'before: ', KQueue\Engine::state()['hooks'], "\n";
$runtime->dispatch(function () { echo 'during: ', KQueue\Engine::state()['hooks'] > 20 ? 'many' : KQueue\Engine::state()['hooks'], "\n"; usleep(1000); });
$runtime->run();
echo 'after: ', KQueue\Engine::state()['hooks'], "\n";
usleep(1000);
echo shell_exec('echo plain'), 'suspensions: ', $runtime->stats()['suspensions'], "\n";

// A program that has run a runtime can fork, wait and read as any.
$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
fwrite($pair[0], "x\n");
echo fgets($pair[1]);
?>
--EXPECT--
A on stdout
B on stdout
A begins, A read line one, A ends, B begins, B read line two, B ends
suspensions: 0
before: 0
during: many
after: 0
plain
suspensions: 1
x
