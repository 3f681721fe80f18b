--TEST--
Three lanes wait within callbacks of ext/intl at once, each with other things in hand: each gets what it gets alone
--EXTENSIONS--
intl
kqueue
--FILE--
<?php
require __DIR__.'/../lib/callbacks.inc';

$values = fn ($list) => implode(' ', array_map(fn ($each) => is_object($each) ? $each->value : $each, $list));

alone_and_together([
    'Collator' => function ($who) use ($values) { $list = ["z$who", new Waits('ä'), 'b', new Waits('a')]; $collator = new Collator($who === 'B' ? 'sv' : 'de'); $collator->setAttribute(Collator::NUMERIC_COLLATION, $who === 'C' ? Collator::ON : Collator::OFF); @$collator->sort($list); return $values($list); },
    'UConverter' => fn ($who) => (new class('ascii', 'utf-8') extends UConverter { public $who; public function fromUCallback($reason, $source, $codePoint, &$error): mixed { usleep(300); $error = U_ZERO_ERROR; return $this->who ?? '?'; } })->convert("ä$who"),
    'IntlChar' => function ($who) { $count = 0; IntlChar::enumCharNames(0x41, 0x44, function () use (&$count) { usleep(300); $count++; }); return "$count$who"; },
]);
?>
--EXPECT--
all as alone
