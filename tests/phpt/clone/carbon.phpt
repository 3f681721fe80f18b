--TEST--
Copy rule: Carbon, its test clock, macros, locale and periods
--EXTENSIONS--
mbstring
kqueue
--SKIPIF--
<?php
require __DIR__.'/../lib/php.inc';
carbon() === null and die('skip no Carbon here');
?>
--INI--
date.timezone=UTC
--FILE--
<?php
require __DIR__.'/../lib/php.inc';
require __DIR__.'/../lib/copies.inc';
require carbon();
use Carbon\Carbon;
use Carbon\CarbonImmutable;
use Carbon\CarbonInterval;
class App { public static $dates = []; public static $interval; }

copies(function () {
    Carbon::setTestNow(CarbonImmutable::parse('2024-02-29 12:00:00', 'Europe/Berlin'));
    Carbon::macro('isQuiet', function () { return $this->hour < 6; });
    App::$dates = ['now' => Carbon::now(), 'fixed' => CarbonImmutable::parse('2024-01-31')->locale('de'), 'formatted' => Carbon::parse('2024-03-01')->settings(['monthOverflow' => false])];
    App::$interval = CarbonInterval::make('1 hour 30 minutes');
}, [
    'test clock' => fn () => [Carbon::now('UTC')->toDateTimeString(), CarbonImmutable::now('UTC')->toDateTimeString(), Carbon::hasTestNow()],
    'moved in this lane' => function () { Carbon::setTestNow('2030-01-01'); return [Carbon::now()->year, CarbonImmutable::now()->year]; },
    'macros' => function () { Carbon::macro('mine', fn () => 'mine'); return [Carbon::parse('2024-01-01 05:00')->isQuiet(), Carbon::now()->mine(), Carbon::hasMacro('isQuiet')]; },
    'locale' => fn () => [App::$dates['fixed']->locale, App::$dates['fixed']->addMonth()->locale],
    'settings' => fn () => [App::$dates['formatted']->subDay()->addMonth()->toDateString(), App::$dates['fixed']->addMonthsNoOverflow(1)->toDateString()],
    'mutable' => fn () => [App::$dates['now']->addDay()->toDateString(), App::$dates['now']->addDay()->toDateString()],
    'interval' => fn () => [App::$interval->totalMinutes, App::$interval->add('30 minutes')->totalMinutes],
    'reset' => function () { Carbon::setTestNow(); return [Carbon::hasTestNow(), Carbon::now()->year >= 2024]; },
]);
?>
--EXPECT--
test clock: ["2024-02-29 11:00:00","2024-02-29 11:00:00",true]
moved in this lane: [2030,2030]
macros: [true,"mine",true]
locale: ["de","de"]
settings: ["2024-03-29","2024-02-29"]
mutable: ["2024-03-01","2024-03-02"]
interval: [90,120]
reset: [false,true]
