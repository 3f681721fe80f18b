--TEST--
What a file leaves that a lane includes first is destructed once for each lane that has it, and not for the copy that is kept
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/php.inc';

$file = sys_get_temp_dir().'/kqueue-destructors-'.getmypid().'.php';
file_put_contents($file, <<<'PHP'
<?php
final class Kept
{
    public static ?Kept $one = null;

    public function __destruct()
    {
        echo "destructed\n";
    }
}
Kept::$one = new Kept;
$GLOBALS['another'] = new Kept;
PHP);
$code = <<<'PHP'
use KQueue\Engine;

$seen = (object) ['begun' => 0, 'lanes' => 0];
Engine::template(null);
Engine::run(static function () use ($seen): void {
    $leads = Engine::lead();
    $seen->lanes = max($seen->lanes, Engine::state()['clones']);
    if (! $leads || $seen->begun === 3) {
        Engine::stop();

        return;
    }
    Engine::reserved(['id' => (string) ++$seen->begun, 'class' => 'test', 'connection' => '', 'queue' => '']);
    require_once FILE;
    usleep(1000);
    Engine::finished();
}, 3, true);
echo "{$seen->lanes} lanes\n";
PHP;
['output' => $output] = run_php('const FILE = '.var_export($file, true).";\n".$code);
unlink($file);
[$before] = explode(' lanes', $output);
$lanes = (int) substr($before, strrpos($before, "\n") + 1);
echo $lanes >= 3 ? substr_count($before, 'destructed') - 2 * $lanes : $output, "\n";
?>
--EXPECT--
0
