--TEST--
concurrently(): the callables have the static variables, globals, settings and stream wrappers of their job's lane, and no other lane's
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';
use function KQueue\concurrently;

function counter(int $by): int { static $count = 0; return $count += $by; }
final class Memory
{
    public $context;
    private string $rest = 'read ';
    public function stream_open(string $path) { $this->rest .= $path; return true; }
    public function stream_read(int $count) { usleep(1000); [$text, $this->rest] = [$this->rest, '']; return $text; }
    public function stream_eof() { return $this->rest === ''; }
    public function stream_stat() { return []; }
}
function work(int $number): string
{
    counter($number);
    $GLOBALS['global'] = $number;
    ini_set('precision', (string) (10 + $number));
    chdir(['/', '/usr', '/usr/bin'][$number]);
    stream_wrapper_register("own$number", Memory::class);
    concurrently(array_map(fn ($i) => function () use ($i, $number) {
        usleep(500 * $i);
        counter(10);
        $GLOBALS['global'] += 10;
        usleep(500 * (4 - $i));
        if ($i === 2) {
            putenv("OWN=$number");
            ini_set('serialize_precision', (string) (10 + $number));
            stream_wrapper_register("theirs$number", Memory::class);
        }
    }, [1, 2, 3]));
    $read = concurrently([
        fn () => file_get_contents("own$number://text"),
        fn () => file_get_contents("theirs$number://text"),
        fn () => @file_get_contents('own'.(1 - $number).'://text'),
    ]);

    return json_encode([counter(0), $GLOBALS['global'], ini_get('precision'), ini_get('serialize_precision'), getcwd(), getenv('OWN'), ...$read], JSON_UNESCAPED_SLASHES);
}
lanes(['zero' => fn () => work(0), 'one' => fn () => work(1)], false);
echo json_encode([counter(0), $GLOBALS['global'] ?? null, ini_get('precision'), getenv('OWN'), in_array('own0', stream_get_wrappers())]), "\n";
?>
--EXPECT--
zero: [30,30,"10","10","/","0","read own0://text","read theirs0://text",false]
one: [31,31,"11","11","/usr","1","read own1://text","read theirs1://text",false]
[0,null,"14",false,false]
