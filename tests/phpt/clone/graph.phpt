--TEST--
A cloned lane's object graph: identity, cycles, closures, references, arrays, properties of all kinds
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

enum Level: int { case Low = 1; case High = 2; public static function pick() { return self::High; } }
interface Shape {}
class Node implements Shape
{
    public $next; public array $items = []; public ?Node $typed = null; public readonly Level $level; private $secret = 'private'; protected ?array $maybe;
    public int $uninitialized;
    public function __construct(public readonly string $name, ?Level $level = null) { if ($level) { $this->level = $level; } }
    public function secret($value = null) { return $value === null ? $this->secret : $this->secret = $value; }
    public function closure() { return function () { return $this->name.$this->secret; }; }
    public function method() { return "method of $this->name"; }
    public static function shared() { return static::class; }
}
#[AllowDynamicProperties]
class Loose extends Node { private $secret = 'of the child'; public $extra = ['x']; }
class Parted extends Loose { }
function counter() { static $n = 0; return ++$n; }

class App
{
    public static $root; public static $same; public static $closures = []; public static $arrays = []; public static $loose; public static $std;
}

template(function () {
    $root = new Node('root', Level::High);
    $root->next = new Node('second');
    $root->next->next = $root;
    $root->typed = $root->next;
    $root->items = ['root' => $root, 'list' => [$root->next, Level::Low]];
    App::$root = $root;
    App::$same = ['root' => $root, 'second' => $root->next];

    $count = 0;
    $add = function (int $by) use (&$count) { return $count += $by; };
    $get = function () use (&$count) { return $count; };
    $self = function (int $n) use (&$self) { return $n <= 1 ? 1 : $n * $self($n - 1); };
    $captured = function () use ($root) { return $root; };
    App::$closures = [
        'add' => $add, 'get' => $get, 'self' => $self, 'captured' => $captured,
        'bound' => $root->closure(), 'rebound' => Closure::bind(fn () => $this->secret, new Loose('bound'), Node::class),
        'static' => static fn () => isset($this), 'first-class' => $root->method(...), 'static method' => Node::shared(...), 'function' => strtoupper(...),
        'user function' => counter(...), 'with static' => function () { static $calls = 0; return ++$calls; },
        'of a closure' => Closure::fromCallable([$root, 'method']), 'scoped' => (fn () => self::shared())->bindTo(null, Loose::class),
        'generator' => function () { yield $this?->name ?? 'none'; },
        'typed parameters' => fn (Node $node, string ...$rest): string => $node->name.implode($rest),
    ];
    App::$closures['generator'] = Closure::bind(function () { yield $this->name; yield 2; }, $root);

    $shared = [1, 2, ['deep' => true]];
    $holes = [1, 2, 3, $root]; unset($holes[1]);
    $gone = [1, 2, 3]; unset($gone[2]);
    $variable = 'referenced';
    App::$arrays = ['shared' => $shared, 'again' => $shared, 'holes' => $holes, 'gone' => $gone, 'by reference' => [&$variable, &$variable, 'object' => $root],
        'keys' => [5 => $root, 'text' => 1, -3 => 2], 'nested' => [[[$root]]], 'empty' => [], 'numeric' => ['1' => 'a', '01' => 'b'], 'floats' => [1.5, -0.0, NAN]];
    App::$arrays['itself'] = &App::$arrays;

    App::$loose = new Parted('loose');
    App::$loose->dynamic = 'added';
    App::$loose->{'123'} = $root;
    App::$loose->secret('changed');
    unset(App::$loose->extra);
    App::$std = (object) ['a' => 1, 'root' => $root, '5' => 'five', 'inner' => (object) []];
});

lanes(['A' => $job = function () {
    $root = App::$root;
    $out = [];
    $out['identity'] = [$root === App::$same['root'], $root->next === App::$same['second'], $root->next->next === $root, $root->typed === $root->next, $root->items['list'][0] === $root->next];
    $out['enums'] = [$root->level === Level::High, $root->items['list'][1] === Level::Low];
    $out['uninitialized'] = [isset($root->next->level), (new ReflectionProperty('Node', 'uninitialized'))->isInitialized($root)];
    try { $root->level = Level::Low; } catch (Error $error) { $out['readonly'] = $error->getMessage(); }
    try { $root->next->level = Level::Low; } catch (Error $error) { $out['readonly scope'] = get_class($error); }
    try { $root->uninitialized; } catch (Error $error) { $out['read'] = $error->getMessage(); }
    try { $root->typed = 5; } catch (TypeError $error) { $out['typed'] = $error->getMessage(); }
    $out['private'] = [$root->secret(), App::$loose->secret()];

    $c = App::$closures;
    $out['by reference'] = [$c['add'](5), $c['get'](), $c['add'](1), $c['get']()];
    $out['recursive'] = $c['self'](5);
    $out['captured'] = $c['captured']() === $root;
    $out['bound'] = [$c['bound'](), $c['rebound'](), (new ReflectionFunction($c['bound']))->getClosureThis() === $root];
    $out['static'] = [$c['static'](), $c['static method'](), $c['scoped']()];
    $out['callables'] = [$c['first-class'](), $c['function']('x'), $c['of a closure'](), (new ReflectionFunction($c['first-class']))->getClosureThis() === $root];
    $out['own static'] = [$c['with static'](), $c['with static']()];
    $out['generator'] = iterator_to_array($c['generator']());
    $out['typed parameters'] = $c['typed parameters']($root, 'a', 'b');
    $root->secret('mine');
    $out['through this'] = $c['bound']();

    $a = &App::$arrays;
    $out['arrays'] = [$a['shared'] === $a['again'], $a['keys'][5] === $root, array_keys($a['keys']), $a['nested'][0][0][0] === $root, $a['empty'], array_keys($a['numeric']), is_nan($a['floats'][2])];
    $out['holes'] = [array_keys($a['holes']), $a['holes'][3] === $root];
    $a['holes'][] = 'next'; $a['gone'][] = 'next'; $a['keys'][] = 'next';
    $out['next'] = [array_key_last($a['holes']), array_key_last($a['gone']), array_key_last($a['keys'])];
    $a['by reference'][0] = 'written';
    $out['referenced'] = [$a['by reference'][1], $a['by reference']['object'] === $root];
    $a['itself']['new'] = 1;
    $out['itself'] = isset($a['new'], $a['itself']['itself']['new']);
    $a['shared'][2]['deep'] = 'mine';
    $out['separated'] = $a['again'][2]['deep'];

    $out['dynamic'] = [App::$loose->dynamic, App::$loose->{'123'} === $root, isset(App::$loose->extra), get_class(App::$loose)];
    $out['vars'] = array_keys(get_object_vars(App::$loose));
    $out['std'] = [App::$std->a, App::$std->root === $root, App::$std->{'5'}, get_object_vars(App::$std->inner), array_keys((array) App::$std)];
    App::$std->b = 2;
    usleep(1000);
    return json_encode($out, JSON_PRETTY_PRINT);
}, 'B' => fn (array $results) => md5($job()) === md5($results['A'] ?? '') ? 'the same' : $job()], cloned: true, fresh: true, concurrency: 1);

// And at once: two that interleave see the same.
echo "end\n";
?>
--EXPECT--
refused: [], destructors: []
A: {
    "identity": [
        true,
        true,
        true,
        true,
        true
    ],
    "enums": [
        true,
        true
    ],
    "uninitialized": [
        false,
        false
    ],
    "readonly": "Cannot modify readonly property Node::$level",
    "readonly scope": "Error",
    "read": "Typed property Node::$uninitialized must not be accessed before initialization",
    "typed": "Cannot assign int to property Node::$typed of type ?Node",
    "private": [
        "private",
        "changed"
    ],
    "by reference": [
        5,
        5,
        6,
        6
    ],
    "recursive": 120,
    "captured": true,
    "bound": [
        "rootprivate",
        "private",
        true
    ],
    "static": [
        false,
        "Node",
        "Loose"
    ],
    "callables": [
        "method of root",
        "X",
        "method of root",
        true
    ],
    "own static": [
        1,
        2
    ],
    "generator": [
        "root",
        2
    ],
    "typed parameters": "rootab",
    "through this": "rootmine",
    "arrays": [
        true,
        true,
        [
            5,
            "text",
            -3
        ],
        true,
        [],
        [
            1,
            "01"
        ],
        true
    ],
    "holes": [
        [
            0,
            2,
            3
        ],
        true
    ],
    "next": [
        4,
        3,
        6
    ],
    "referenced": [
        "written",
        true
    ],
    "itself": true,
    "separated": true,
    "dynamic": [
        "added",
        true,
        false,
        "Parted"
    ],
    "vars": [
        "next",
        "items",
        "typed",
        "name",
        "dynamic",
        123
    ],
    "std": [
        1,
        true,
        "five",
        [],
        [
            "a",
            "root",
            5,
            "inner"
        ]
    ]
}
B: the same
end
