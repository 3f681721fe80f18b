--TEST--
Copy rule: enums are themselves in every lane, also as keys, captured, and in constants
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
interface Colored { public function color(): string; }
enum Suit: string implements Colored { case Hearts = 'h'; case Spades = 's'; const Default = self::Hearts; public function color(): string { return $this === self::Hearts ? 'red' : 'black'; } public static function first(): self { return self::cases()[0]; } }
enum Plain { case One; case Two; }
class Card { const ACE = Suit::Spades; public Suit $suit = Suit::Hearts; public ?Plain $plain = null; public array $all = [Suit::Hearts, 'two' => Plain::Two]; public function __construct(public readonly Suit $fixed = Suit::Spades) {} }
class App { public static $card; public static $map; public static $storage; public static $closure; public static $case; public static Suit $typed = Suit::Spades; public static $reference; }

copies(function () {
    App::$card = new Card(Suit::Hearts);
    App::$card->plain = Plain::Two;
    App::$map = new WeakMap;
    App::$map[Suit::Hearts] = 'in a map';
    App::$storage = new SplObjectStorage;
    App::$storage[Plain::One] = Plain::Two;
    $captured = Suit::Spades;
    App::$closure = fn () => [$captured === Suit::Spades, $captured->color()];
    App::$case = Suit::Hearts->color(...);
    App::$reference = WeakReference::create(Plain::One);
}, [
    'the same' => fn () => [App::$card->suit === Suit::Hearts, App::$card->fixed === Suit::Hearts, App::$card->plain === Plain::Two, App::$card->all === [Suit::Hearts, 'two' => Plain::Two], App::$typed === Suit::Spades, Card::ACE === Suit::Spades],
    'by value' => fn () => [Suit::from('h') === App::$card->suit, Suit::tryFrom('x'), App::$card->suit->value, App::$card->plain->name, Suit::Default === Suit::first()],
    'matched' => fn () => match (App::$card->suit) { Suit::Spades => 'no', Suit::Hearts => 'yes' },
    'as keys' => fn () => [App::$map[Suit::Hearts], App::$storage[Plain::One] === Plain::Two, isset(App::$map[Suit::Spades])],
    'captured' => fn () => (App::$closure)(),
    'its method' => fn () => (App::$case)(),
    'weakly' => fn () => App::$reference->get() === Plain::One,
    'typed' => function () { App::$typed = 'h'; },
    'assigned' => function () { App::$card->suit = Suit::Spades; App::$typed = Suit::Hearts; return [App::$card->suit->name, App::$typed->name]; },
]);
?>
--EXPECT--
the same: [true,true,true,true,true,true]
by value: [true,null,"h","Two",true]
matched: "yes"
as keys: ["in a map",true,false]
captured: [true,"black"]
its method: "red"
weakly: true
typed: "TypeError: Cannot assign string to property App::$typed of type Suit"
assigned: ["Spades","Hearts"]
