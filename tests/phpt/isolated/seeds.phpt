--TEST--
Random numbers that the program has begun to draw go on differently in each isolated child, and in the program; isolated jobs need no function that changes settings
--EXTENSIONS--
kqueue
--INI--
disable_functions=ini_set,ini_restore,mt_srand,srand,set_time_limit
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';

class Draws
{
    public function handle(): array
    {
        usleep(50_000);

        return [getmypid(), @lcg_value(), mt_rand(), uniqid('', true), rand(), array_rand(range(0, 1 << 16)), str_shuffle(implode(range('a', 'z'))), (new Random\Randomizer(new Random\Engine\Mt19937))->getInt(0, PHP_INT_MAX)];
    }
}

@lcg_value();
mt_rand();
$runtime = new KQueue\Runtime(isolated: 4);
$drawn = [];
$runtime->onFinished(function ($id, $result) use (&$drawn) { $drawn[] = $result; });
$runtime->onFailed(function ($id, $error) { echo $error->getMessage(), "\n"; });
for ($i = 0; $i < 8; $i++) {
    $runtime->dispatch(new Draws, isolated: true);
}
$runtime->dispatch((new Draws)->handle(...));
$runtime->run();
echo count(array_unique(array_column($drawn, 0))), " processes\n";
foreach (range(1, 7) as $kind) {
    echo count(array_unique(array_column($drawn, $kind))), ' ';
}
isolated($runtime, [' limit' => new Task('limit')]);
?>
--EXPECT--
5 processes
9 9 9 9 9 9 9  limit: "256M"
