--TEST--
What cannot be copied is named with its path; what the program calls shared is shared
--EXTENSIONS--
pdo
pdo_sqlite
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class Connection { public function __construct(private ?PDO $pdo = null, protected $socket = null, public array $options = []) {} }
class Service { public ?Connection $connection = null; public $callback; private array $pool = []; public function add($x) { $this->pool[] = $x; } }
class Container { public static $instance; public array $instances = []; public static $other; }
class WithEnd { public function __destruct() {} }
class Singleton { public $value = 'shared'; public $file; }

template(function () {
    Container::$instance = new Container;
    $service = new Service;
    $service->connection = new Connection(new PDO('sqlite::memory:'));
    $service->add(new Connection(socket: tmpfile()));
    $gen = (function () { yield 1; })();
    $gen->current();
    $service->callback = function () use ($gen) { };
    Container::$instance->instances = ['db' => $service, 'file' => new SplFileObject(__FILE__), 'deep' => [1, ['x' => fopen('php://memory', 'r')]],
        'fiber' => new Fiber(fn () => 1), 'stdout' => STDOUT, 'info' => new SplFileInfo(__FILE__), 'reflection' => new ReflectionClass('Container'), 'end' => new WithEnd, 'dir' => new DirectoryIterator(__DIR__)];
    Container::$other = [fopen('php://output', 'w')];
});
lanes(['uses them' => function () {
    // A lane that is cloned all the same shares what is refused.
    return [get_class(Container::$instance->instances['db']), Container::$instance->instances['info']->getFilename(), Container::$instance->instances['reflection']->name];
}], cloned: true);

// Shared: one object for all lanes, whatever it holds, and its subclasses; a leading backslash and case do not matter.
class SubSingleton extends Singleton {}
template(function () {
    Container::$instance = ['one' => new Singleton, 'sub' => new SubSingleton];
    Container::$instance['one']->file = tmpfile();
    Container::$other = null;
}, ['\SINGLETON']);
$job = fn () => [Container::$instance['one']->value .= '+', Container::$instance['sub']->value .= '-', is_resource(Container::$instance['one']->file)];
lanes(['A' => $job, 'B' => $job], cloned: true, fresh: true, concurrency: 1);
?>
--EXPECT--
refused: ["Container::$instance → Container::$instances → [file] → SplFileObject","Container::$instance → Container::$instances → [fiber] → Fiber","Container::$instance → Container::$instances → [dir] → DirectoryIterator","Container::$instance → Container::$instances → [db] → Service::$connection → Connection::$pdo → PDO","Container::$instance → Container::$instances → [db] → Service::$callback → Closure use ($gen) → Generator","Container::$instance → Container::$instances → [deep] → [1] → [x] → resource","Container::$instance → Container::$instances → [db] → Service::$pool → [0] → Connection::$socket → resource"], destructors: ["WithEnd"]
uses them: ["Service","refused.php","Container"]
refused: [], destructors: []
A: ["shared+","shared-",true]
B: ["shared++","shared--",true]
