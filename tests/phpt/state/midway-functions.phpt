--TEST--
Functions that call back while they use state of the process: no other lane goes on until they have ended
--EXTENSIONS--
mbstring
tokenizer
dom
xsl
kqueue
--FILE--
<?php
require __DIR__.'/../lib/lanes.inc';

class Wrapper
{
    public $context;
    private $at = 0;
    private $text;
    const TEXTS = ['xsl' => '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>', 'ini' => "a = 1\n", 'php' => "<?php echo 1;\n"];
    function stream_open($path) { usleep(20000); $this->text = self::TEXTS[substr($path, -3)]; return true; }
    function stream_read($n) { usleep(20000); $part = substr($this->text, $this->at, $n); $this->at += strlen($part); return $part; }
    function stream_eof() { return $this->at >= strlen($this->text); }
    function stream_stat() { return []; }
    function stream_set_option() { return false; }
    function url_stat() { return ['mode' => 0100644, 'size' => 9]; }
}
stream_wrapper_register('waits', Wrapper::class);
$log = sys_get_temp_dir().'/kqueue-midway-functions-'.getmypid();
$calls = [
    'importStylesheet' => function () {
        $sheet = new DOMDocument;
        $sheet->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:import href="waits://a/b.xsl"/><xsl:template match="/">made</xsl:template></xsl:stylesheet>');
        $processor = new XSLTProcessor;
        $processor->importStylesheet($sheet);
        return trim(strip_tags($processor->transformToXml(new DOMDocument)));
    },
    'parse_ini_file' => fn () => parse_ini_file('waits://a.ini'),
    'php_strip_whitespace' => fn () => trim(php_strip_whitespace('waits://a.php')),
    'mb_ereg_replace_callback' => fn () => mb_ereg_replace_callback('b', function () { usleep(20000); return 'c'; }, 'abab'),
];
foreach ($calls as $name => $call) {
    KQueue\Engine::template(null);
    $job = fn ($who) => function () use ($who, $call, $log) {
        file_put_contents($log, "$who begins, ", FILE_APPEND);
        $result = $call();
        file_put_contents($log, "$who ends; ", FILE_APPEND);
        return $result;
    };
    echo "-- $name\n";
    lanes(['A' => $job('A'), 'B' => $job('B')], cloned: true, fresh: true);
    echo rtrim(file_get_contents($log)), "\n";
    unlink($log);
}
?>
--EXPECT--
-- importStylesheet
A: made
B: made
A begins, A ends; B begins, B ends;
-- parse_ini_file
A: {"a":"1"}
B: {"a":"1"}
A begins, A ends; B begins, B ends;
-- php_strip_whitespace
A: <?php echo 1;
B: <?php echo 1;
A begins, A ends; B begins, B ends;
-- mb_ereg_replace_callback
A: acac
B: acac
A begins, A ends; B begins, B ends;
