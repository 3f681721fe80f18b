--TEST--
A job is a closure, another callable, an invokable object or an object with handle(); run() runs them all
--EXTENSIONS--
kqueue
--FILE--
<?php
class Handler
{
    public function __construct(private string $name) {}
    public function handle() { usleep(1000); return "$this->name handled"; }
    public function method() { return "$this->name called"; }
    public static function make() { return 'made'; }
}
class Invokable
{
    public function __invoke() { return 'invoked'; }
}
class Both extends Invokable
{
    public function handle() { return 'handle() comes first'; }
}
function plain() { return 'function'; }

$runtime = new KQueue\Runtime(isolated: 0);
$same = $runtime->onFinished(function (int $id, mixed $result, float $seconds) {
    assert($seconds >= 0 && $seconds < 30);
    echo "$id: $result\n";
});
var_dump($same === $runtime);
$ids = [
    $runtime->dispatch(fn () => 'closure'),
    $runtime->dispatch(new Invokable),
    $runtime->dispatch(new Both),
    $runtime->dispatch('plain'),
    $runtime->dispatch('Handler::make'),
    $runtime->dispatch([new Handler('A'), 'method']),
    $runtime->dispatch(plain(...)),
    $runtime->dispatch(job: new Handler('B'), isolated: false),
];
echo implode(' ', $ids), "\n";
$runtime->run();

// Nothing of a job is kept once it has run.
class Watched { public function handle() {} public function __destruct() { echo "destructed\n"; } }
$runtime->dispatch(new Watched);
$runtime->run();
echo "end\n";
?>
--EXPECT--
bool(true)
1 2 3 4 5 6 7 8
1: closure
2: invoked
3: handle() comes first
4: function
5: made
6: A called
7: function
8: B handled
9: 
destructed
end
