--TEST--
Three lanes wait within callbacks of PHP's own C code at once, each with other things in hand: each gets what it gets alone
--EXTENSIONS--
mbstring
xml
dom
simplexml
xmlreader
xsl
kqueue
--FILE--
<?php
require __DIR__.'/../lib/callbacks.inc';

class Told implements JsonSerializable
{
    public function __construct(public string $value, public int $depth = 3) { }
    public function jsonSerialize(): mixed { usleep(700); return $this->depth ? [$this->value => new self($this->value, $this->depth - 1)] : json_encode([$this->value, json_last_error()]); }
    public function __serialize(): array { usleep(700); return $this->depth ? [$this->value, new self($this->value, $this->depth - 1)] : [serialize([$this->value, $this->value])]; }
    public function __unserialize(array $data): void { usleep(700); $this->value = 'read '.(is_array($inner = @unserialize($data[0])) ? $inner[0] : $data[0]); $this->depth = count($data); }
}
class Filter extends php_user_filter
{
    public function filter($in, $out, &$consumed, bool $closing): int
    {
        while ($bucket = stream_bucket_make_writeable($in)) {
            usleep(700);
            $bucket->data = $this->params.strrev($bucket->data);
            $consumed += $bucket->datalen;
            stream_bucket_append($out, $bucket);
        }
        return PSFS_PASS_ON;
    }
}
stream_filter_register('waits', Filter::class);
function slowly(mixed $value): string { usleep(700); return strtoupper(is_array($value) ? $value[0]->nodeValue : $value); }
$words = fn ($who) => array_map(fn ($n) => new Waits("$who$n"), [3, 1, 2, 5, 4]);
$values = fn ($list) => implode(' ', array_map(fn ($each) => is_object($each) ? $each->value : $each, $list));

$calls = [
    'usort, of booleans' => function ($who) { $list = [3, 1, 2]; usort($list, function ($a, $b) use ($who) { usleep(700); return $who === 'B' ? $a < $b : $a > $b; }); return implode($list); },
    'usort within usort' => function ($who) use ($words, $values) {
        $list = $words($who);
        usort($list, function ($a, $b) use ($who) {
            $two = [2, 1];
            usort($two, function ($x, $y) { usleep(300); return $x <=> $y; });
            return $two[0] * ($who === 'B' ? -1 : 1) * strcmp($a->value, $b->value);
        });
        return $values($list);
    },
    'array_udiff_uassoc' => fn ($who) => implode(array_udiff_uassoc([1, 2, 3, 4], [1, 9, 3], function ($a, $b) use ($who) { usleep(300); return $who === 'B' ? 1 : $a <=> $b; }, function ($a, $b) { usleep(300); return $a <=> $b; })),
    'array_uintersect' => fn ($who) => implode(array_uintersect([1, 2, 3], [3, 2], function ($a, $b) { usleep(300); return $a <=> $b; })).$who,
    'sort, by __toString()' => function ($who) use ($words, $values) { $list = $words($who); $who === 'B' ? rsort($list, SORT_STRING) : sort($list, SORT_STRING); return $values($list); },
    'array_unique' => fn ($who) => $values(array_unique([...$words($who), ...$words($who)], SORT_STRING)),
    'array_walk_recursive' => function ($who) { $tree = [[1, [2]], 3]; array_walk_recursive($tree, function (&$value) use ($who) { usleep(300); $value = "$who$value"; }); return json_encode($tree); },
    'json_encode' => fn ($who) => json_encode(new Told($who)).json_last_error_msg(),
    'json_encode, refused' => fn ($who) => json_encode([new Told($who), $who === 'B' ? NAN : 1], JSON_PARTIAL_OUTPUT_ON_ERROR).json_last_error_msg(),
    'serialize' => function ($who) { $two = new Told($who); $read = unserialize($text = serialize([$two, $two, new Told("$who again")])); return strlen($text).json_encode([$read[0] === $read[1], $read[0]->value, $read[2]->value]); },
    'var_export, print_r' => fn ($who) => print_r([1, $who], true).strlen(var_export(new Told($who), true)),
    'implode' => fn ($who) => implode(', ', $words($who)),
    'str_replace' => fn ($who) => str_replace(new Waits('a'), new Waits($who), new Waits('banana')),
    'sprintf' => fn ($who) => vsprintf('%s-%5s-%s', array_slice($words($who), 0, 3)),
    'preg_replace_callback, within itself' => fn ($who) => preg_replace_callback('/\d/', function ($digit) use ($who) { usleep(300); return preg_replace_callback("/$digit[0]/", function ($again) use ($who) { usleep(300); return $who.$again[0].preg_last_error(); }, $digit[0]); }, '1 2 3'),
    'preg_match, refused' => function ($who) { $before = preg_match($who === 'B' ? '/(?:\D+|<\d+>)*[!?]/' : '/o/', 'foobar foobar foobar'); usleep(700); return json_encode([$before, preg_last_error_msg()]); },
    'output callback' => function ($who) { ob_start(); ob_start(function ($text) use ($who) { usleep(700); return "$who<$text>"; }, 2); echo 'one'; usleep(300); echo 'two'; ob_start(fn ($text) => strrev($text)); echo $who, 1; usleep(300); ob_end_flush(); ob_end_flush(); return ob_get_clean(); },
    'filter' => function ($who) { $file = fopen('php://memory', 'w+'); $filter = stream_filter_append($file, 'waits', STREAM_FILTER_WRITE, $who); fwrite($file, 'one'); fwrite($file, 'two'); stream_filter_remove($filter); rewind($file); return fread($file, 99); },
    'SplHeap' => function ($who) { $heap = new class extends SplMinHeap { public $sign = 1; protected function compare($a, $b): int { usleep(300); return $this->sign * ($b <=> $a); } }; $heap->sign = $who === 'B' ? -1 : 1; foreach ([3, 1, 2] as $n) { $heap->insert($n); } return implode(iterator_to_array($heap, false)); },
    'ArrayObject' => function ($who) { $list = new ArrayObject([3, 1, 2]); $list->uasort(function ($a, $b) use ($who) { usleep(300); return $who === 'B' ? $b <=> $a : $a <=> $b; }); return implode((array) $list); },
    'iterator_apply' => function ($who) { $seen = ''; $list = new ArrayIterator([1, 2, 3]); iterator_apply($list, function () use (&$seen, $list, $who) { usleep(300); $seen .= $who.$list->current(); return true; }); return $seen; },
    'xml parser' => function ($who) {
        $seen = '';
        $parser = xml_parser_create();
        xml_set_element_handler($parser, function ($parser, $name) use (&$seen) { usleep(300); $seen .= "<$name"; }, function ($parser, $name) use (&$seen) { usleep(300); $seen .= "$name>"; });
        xml_set_character_data_handler($parser, function ($parser, $text) use (&$seen) { usleep(300); $seen .= $text; });
        $ok = xml_parse($parser, "<a><$who>text".($who === 'B' ? '' : '</A></a>'), true);
        return ($who === 'A') === (bool) $ok ? $seen : "$seen, wrong";
    },
    'XPath' => function ($who) { $document = new DOMDocument; $document->loadXML("<a><b>x$who</b><b>y$who</b></a>"); $path = new DOMXPath($document); $path->registerNamespace('php', 'http://php.net/xpath'); $path->registerPhpFunctions('slowly'); $found = $path->query("//b[php:function('slowly', .) = 'Y$who']"); return $found->length.$found->item(0)->nodeValue.$path->evaluate("php:functionString('slowly', //b)"); },
    'XSL' => function ($who) {
        $sheet = new DOMDocument;
        $sheet->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:php="http://php.net/xsl"><xsl:output omit-xml-declaration="yes"/><xsl:template match="/"><xsl:for-each select="//b"><xsl:value-of select="php:functionString(\'slowly\', .)"/></xsl:for-each></xsl:template></xsl:stylesheet>');
        $document = new DOMDocument;
        $document->loadXML("<a><b>x$who</b><b>y</b></a>");
        $processor = new XSLTProcessor;
        $processor->importStylesheet($sheet);
        $processor->registerPHPFunctions('slowly');
        return $processor->transformToXml($document);
    },
    'entity loader' => function ($who) {
        libxml_set_external_entity_loader(function ($public, $system) use ($who) { usleep(700); return fopen("data:,<!ENTITY name '$who of $system'>", 'r'); });
        libxml_use_internal_errors(true);
        $document = new DOMDocument;
        $document->loadXML('<!DOCTYPE a [<!ENTITY % more SYSTEM "x:more"> %more; ]><a>&name;'.($who === 'B' ? '<' : '').'</a>', LIBXML_DTDLOAD | LIBXML_NOENT);
        usleep(700);
        $errors = count(libxml_get_errors()) > 0;
        libxml_clear_errors();
        libxml_set_external_entity_loader(null);
        return json_encode([$document->documentElement?->textContent, $errors]);
    },
    'mb_ereg_replace_callback' => fn ($who) => mb_ereg_replace_callback('b', fn () => (string) new Waits($who), 'abab'),
];

alone_and_together($calls);
?>
--EXPECT--
all as alone
