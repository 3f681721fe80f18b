--TEST--
Copy rule: DateTime and its kin, with time zones, subclasses and their properties
--EXTENSIONS--
kqueue
--INI--
date.timezone=UTC
--FILE--
<?php
require __DIR__.'/../lib/copies.inc';
class Moment extends DateTimeImmutable { public ?object $source = null; private array $notes = []; public function note($x = null) { if ($x !== null) { $this->notes[] = $x; } return $this->notes; } }
class Clock extends DateTime { public $ticks = 0; public static $now; }
class App { public static $dates = []; public static $zone; public static $interval; public static $period; public static $source; }

copies(function () {
    App::$source = (object) ['name' => 'source'];
    $moment = new Moment('2024-02-29 23:30:00.123456', new DateTimeZone('America/New_York'));
    $moment->source = App::$source;
    $moment->note(App::$source);
    $mutable = new DateTime('2024-10-27 02:30:00', App::$zone = new DateTimeZone('Europe/Berlin'));
    App::$dates = ['moment' => $moment, 'again' => $moment, 'mutable' => $mutable, 'offset' => new DateTimeImmutable('2024-01-01 12:00:00+05:30'), 'short' => new DateTime('2024-07-01 12:00:00 EDT'), 'old' => new DateTimeImmutable('-1000-01-01')];
    Clock::$now = new Clock('2020-01-01');
    Clock::$now->ticks = 5;
    App::$interval = (new DateTime('2024-01-10'))->diff(new DateTime('2024-02-12'));
    App::$period = new DatePeriod(new Moment('2024-01-01'), new DateInterval('P1W'), 2, DatePeriod::EXCLUDE_START_DATE);
}, [
    'dates' => fn () => array_map(fn ($date) => $date->format('Y-m-d H:i:s.u T P'), App::$dates),
    'identity' => fn () => [App::$dates['moment'] === App::$dates['again'], App::$dates['moment']->source === App::$source, App::$dates['moment']->note()[0] === App::$source],
    'subclass' => fn () => [get_class(App::$dates['moment']->modify('+1 day')), App::$dates['moment']->modify('+1 day')->format('Y-m-d'), App::$dates['moment']->note('mine')],
    'moved' => fn () => [App::$dates['mutable']->modify('+1 hour')->format('H:i T'), App::$dates['mutable']->setTimezone(App::$zone)->format('H:i T'), Clock::$now->modify('+1 year')->format('Y'), ++Clock::$now->ticks],
    'once only' => fn () => Clock::$now->format('Y'),
    'zone' => fn () => [App::$zone->getName(), App::$zone->getOffset(new DateTime('2024-07-01'))],
    'interval' => function () { App::$interval->d++; return [App::$interval->days, App::$interval->m, App::$interval->d, App::$interval->invert, (new DateTime('2024-01-10'))->add(App::$interval)->format('Y-m-d')]; },
    'period' => fn () => array_map(fn ($date) => get_class($date).' '.$date->format('m-d'), iterator_to_array(App::$period, false)),
    'compared' => fn () => [App::$dates['offset'] == new DateTime('2024-01-01 06:30:00 UTC'), App::$dates['old'] < App::$dates['moment']],
]);
?>
--EXPECT--
dates: {"moment":"2024-02-29 23:30:00.123456 EST -05:00","again":"2024-02-29 23:30:00.123456 EST -05:00","mutable":"2024-10-27 02:30:00.000000 CET +01:00","offset":"2024-01-01 12:00:00.000000 GMT+0530 +05:30","short":"2024-07-01 12:00:00.000000 EDT -04:00","old":"-1000-01-01 00:00:00.000000 UTC +00:00"}
identity: [true,true,true]
subclass: ["Moment","2024-03-01",[{"name":"source"},"mine"]]
moved: ["03:30 CET","03:30 CET","2021",6]
once only: "2021"
zone: ["Europe/Berlin",7200]
interval: [33,1,3,0,"2024-02-13"]
period: ["DateTimeImmutable 01-08","DateTimeImmutable 01-15"]
compared: [true,true]
