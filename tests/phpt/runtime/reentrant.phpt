--TEST--
Destructors of jobs and results, serializers and callbacks may call the runtime
--EXTENSIONS--
kqueue
--FILE--
<?php
class Calls
{
    public function __construct(private ?KQueue\Runtime $runtime, private string $name) {}
    public function __destruct()
    {
        if ($this->runtime === null) {
            return;
        }
        $name = $this->name;
        $id = $this->runtime->dispatch(function () use ($name) { $GLOBALS['lines'][] = "dispatched by the destructor of $name"; });
        $other = $this->runtime->dispatch(fn () => 1);
        $this->runtime->cancel($other);
        $this->runtime->stats();
        $this->runtime = null;
    }
    public function handle() { usleep(1000); return new self($this->runtime, "the result of $this->name"); }
    public function __serialize(): array { $this->runtime?->stats(); $this->runtime?->dispatch(fn () => $GLOBALS['lines'][] = 'dispatched while serializing'); return []; }
    public function __unserialize(array $data): void { $this->name = 'copy'; $this->runtime = null; }
}
$runtime = new KQueue\Runtime(concurrency: 2, isolated: 1);
$cancelled = $runtime->dispatch(new Calls($runtime, 'a cancelled job'));
var_dump($runtime->cancel($cancelled));
$timer = $runtime->after(100, (function () { $x = 1; })->bindTo(new Calls($runtime, "a timer's object")));
var_dump($runtime->cancel($timer));
$runtime->after(0.001, (function () { $GLOBALS['lines'][] = 'timer'; })->bindTo(new Calls($runtime, 'a timer that ran')));
$runtime->dispatch(new Calls($runtime, 'a job'));
$runtime->dispatch(new Calls($runtime, 'an isolated job'), isolated: true);
$runtime->onStarted(function ($id) use ($runtime) { $runtime->stats(); });
$added = false;
$runtime->onFinished(function ($id) use ($runtime, &$added) {
    if (! $added) {
        $added = true;
        $runtime->onFinished(function ($id) use ($runtime) { $runtime->stats(); });
        $runtime->every(100, fn () => 1);
    }
});
$lines = [];
$runtime->run();
sort($lines);
echo implode("\n", $lines), "\n";
echo json_encode(array_intersect_key($runtime->stats(), ['running' => 0, 'waiting' => 0, 'delayed' => 0, 'failed' => 0])), "\n";
?>
--EXPECT--
bool(true)
bool(true)
dispatched by the destructor of a cancelled job
dispatched by the destructor of a job
dispatched by the destructor of a timer that ran
dispatched by the destructor of a timer's object
dispatched by the destructor of an isolated job
dispatched by the destructor of the result of a job
dispatched while serializing
timer
{"running":0,"waiting":0,"delayed":1,"failed":0}
