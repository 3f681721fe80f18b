--TEST--
fresh(): a pristine application for one job, in a lane that has run others
--EXTENSIONS--
kqueue
--FILE--
<?php
use KQueue\Engine;

class App
{
    public static ?App $app = null;
    public static int $jobs = 0;
    public array $config = ['locale' => 'en'];
    public ?App $self = null;
}

/** An object that a callable holds is shared by all. */
final class Journal
{
    public array $lines = [];
    public array $left = ['a', 'b', 'c', 'd'];

    public function note(string $line): bool
    {
        $this->lines[] = $line;

        return true;
    }
}

function job(string $request, Journal $journal): string
{
    $journal->note("$request begins with ".json_encode([App::$jobs, App::$app?->config, ob_get_level(), Engine::timedOut()]));
    App::$jobs += 10;
    App::$app ??= new App;
    App::$app->self = App::$app;    // only the collector frees it
    App::$app->config['locale'] = $request;
    set_error_handler(fn ($level, $message) => $journal->note("$request handles $message"));
    ob_start(fn () => '');
    $mine = App::$app;
    usleep(1000);
    $journal->note("$request is told ".Engine::ask("question of $request"));
    trigger_error('a notice');
    $journal->note("$request ends with ".json_encode([App::$jobs, App::$app === $mine, App::$app->config, ob_get_level()]));
    if ($request === 'a') {
        try {
            Engine::fresh('', 'strlen', 'strlen');
        } catch (KQueue\Exception\InvalidArgument $error) {
            $journal->note($error->getMessage());
        }
    }
    if ($request === 'c') {
        throw new DomainException('thrown');
    }
    if ($request === 'd') {
        exit(3);
    }
    ob_end_clean();

    return "result of $request";
}

function lane(Journal $journal): void
{
    while (Engine::lead()) {
        $request = array_shift($journal->left);
        if ($request === null) {
            Engine::stop();
            continue;
        }
        Engine::reserved(['id' => $request, 'class' => 'test', 'connection' => '', 'queue' => '']);
        // What the lane has from its earlier jobs.
        App::$app ??= new App;
        App::$app->config['locale'] = 'of the lane';
        set_error_handler(fn ($level, $message) => $journal->note("the lane handles $message"));
        App::$jobs++;
        $app = App::$app;
        $outcome = Engine::fresh(
            $request,
            static fn (string $request): string => job($request, $journal),
            static function (string $question): string {
                usleep(1000);
                trigger_error('in the answer');

                return $question.'? '.App::$jobs.' '.App::$app->config['locale'];
            },
        );
        $journal->note(json_encode($outcome).' '.json_encode([App::$jobs, App::$app === $app, App::$app->config['locale']]));
        trigger_error('after');
        restore_error_handler();
        Engine::finished();
    }
}

foreach ([false, true] as $cloned) {
    if ($cloned) {
        Engine::template(static function () { App::$app = new App; App::$app->config['boot'] = true; App::$jobs = 100; });
    }
    $journal = new Journal;
    Engine::run(static fn () => lane($journal), 1, $cloned);
    echo implode("\n", $journal->lines), "\n\n";
}

// What a fresh application leaves behind in a cycle is collected.
Engine::template(static function () { App::$app = new App; App::$app->config['big'] = range(1, 5000); App::$app->self = new App; });
$journal = new Journal;
Engine::run(static function () use ($journal) {
    if (! Engine::lead()) {
        return;
    }
    Engine::reserved(['id' => '', 'class' => '', 'connection' => '', 'queue' => '']);
    for ($i = 0; $i < 2000; $i++) {
        Engine::fresh("$i", static function (string $request) {
            App::$app->self->self = App::$app;
            App::$app->config['big'][0] = $request;    // a copy of the array for each

            return '';
        }, 'strlen');
        usleep(1);
        if ($i % 100 === 99) {
            $journal->lines[] = memory_get_usage();
        }
    }
    Engine::finished();
    Engine::stop();
}, 1, true);
$growth = max(array_slice($journal->lines, 10)) - max(array_slice($journal->lines, 0, 10));
echo $growth < 100000 ? 'memory flat' : "memory grew by $growth", "\n";
try {
    Engine::fresh('', 'strlen', 'strlen');
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
a begins with [0,null,0,false]
the lane handles in the answer
a is told question of a? 1 of the lane
a handles a notice
a ends with [10,true,{"locale":"a"},1]
fresh() does not work inside fresh()
{"status":"done","result":"result of a","reason":""} [1,true,"of the lane"]
the lane handles after
b begins with [0,null,0,false]
the lane handles in the answer
b is told question of b? 2 of the lane
b handles a notice
b ends with [10,true,{"locale":"b"},1]
{"status":"done","result":"result of b","reason":""} [2,true,"of the lane"]
the lane handles after
c begins with [0,null,0,false]
the lane handles in the answer
c is told question of c? 3 of the lane
c handles a notice
c ends with [10,true,{"locale":"c"},1]
{"status":"died","result":"","reason":"DomainException: thrown"} [3,true,"of the lane"]
the lane handles after
d begins with [0,null,0,false]
the lane handles in the answer
d is told question of d? 4 of the lane
d handles a notice
d ends with [10,true,{"locale":"d"},1]
{"status":"exited","result":"","reason":"the job called exit()"} [4,true,"of the lane"]
the lane handles after

a begins with [100,{"locale":"en","boot":true},0,false]
the lane handles in the answer
a is told question of a? 101 of the lane
a handles a notice
a ends with [110,true,{"locale":"a","boot":true},1]
fresh() does not work inside fresh()
{"status":"done","result":"result of a","reason":""} [101,true,"of the lane"]
the lane handles after
b begins with [100,{"locale":"en","boot":true},0,false]
the lane handles in the answer
b is told question of b? 102 of the lane
b handles a notice
b ends with [110,true,{"locale":"b","boot":true},1]
{"status":"done","result":"result of b","reason":""} [102,true,"of the lane"]
the lane handles after
c begins with [100,{"locale":"en","boot":true},0,false]
the lane handles in the answer
c is told question of c? 103 of the lane
c handles a notice
c ends with [110,true,{"locale":"c","boot":true},1]
{"status":"died","result":"","reason":"DomainException: thrown"} [103,true,"of the lane"]
the lane handles after
d begins with [100,{"locale":"en","boot":true},0,false]
the lane handles in the answer
d is told question of d? 104 of the lane
d handles a notice
d ends with [110,true,{"locale":"d","boot":true},1]
{"status":"exited","result":"","reason":"the job called exit()"} [104,true,"of the lane"]
the lane handles after

memory flat
Engine::fresh() works inside a lane only
