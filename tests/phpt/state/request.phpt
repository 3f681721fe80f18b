--TEST--
Interleaved jobs have their own last error, JSON error, strtok(), stream wrappers, default context, usort and preg callbacks
--EXTENSIONS--
kqueue
--FILE--
<?php
require __DIR__.'/../lib/overlap.inc';
$pause = fn (float $seconds) => usleep((int) ($seconds * 1e6));

@trigger_error('of the process');
overlap('error_get_last', function ($seconds, $which) use ($pause) {
    $none = error_get_last();
    @trigger_error($which);
    $pause($seconds);
    return [$none, error_get_last()['message']];
});
echo error_get_last()['message'], "\n";

json_decode('[', true);
overlap('json_last_error', function ($seconds, $which) use ($pause) {
    $none = json_last_error();
    json_decode($which === 'slow' ? '{' : '1');
    $pause($seconds);
    return [$none, json_last_error_msg()];
});
echo json_last_error_msg(), "\n";

strtok('p r o', ' ');
overlap('strtok', function ($seconds, $which) use ($pause) {
    $none = @strtok(' ');
    $parts = [strtok("$which is a word", ' ')];
    for ($i = 0; $i < 3; $i++) {
        $pause($seconds / 4);
        $parts[] = strtok(' ');
    }
    return [$none, $parts];
});
echo strtok(' '), strtok(' '), "\n";

class Memory
{
    public $context;
    private int $at = 0;
    public function stream_open($path) { return true; }
    public function stream_read($count) { usleep(500); return $this->at++ ? '' : static::class; }
    public function stream_eof() { return $this->at > 1; }
    public function stream_stat() { return []; }
}
class OtherMemory extends Memory {}
stream_wrapper_register('base', Memory::class);
overlap('stream wrappers', function ($seconds, $which) use ($pause) {
    $class = $which === 'slow' ? Memory::class : OtherMemory::class;
    stream_wrapper_register('mem', $class);
    if ($which === 'slow') {
        stream_wrapper_unregister('base');
        stream_wrapper_unregister('http');
    }
    $pause($seconds);
    $read = [file_get_contents('mem://x'), @file_get_contents('base://x'), in_array('http', stream_get_wrappers())];
    stream_wrapper_unregister('mem');
    $pause(0.01);
    return [$read, in_array('mem', stream_get_wrappers())];
});
echo json_encode([in_array('mem', stream_get_wrappers()), file_get_contents('base://x'), in_array('http', stream_get_wrappers())]), "\n";

stream_context_set_default(['http' => ['user_agent' => 'process']]);
overlap('default context', function ($seconds, $which) use ($pause) {
    $before = stream_context_get_options(stream_context_get_default())['http']['user_agent'];
    stream_context_set_default(['http' => ['user_agent' => $which, 'proxy' => $which]]);
    $pause($seconds);
    return [$before, stream_context_get_options(stream_context_get_default())['http']];
});
echo json_encode(stream_context_get_options(stream_context_get_default())), "\n";

overlap('callbacks', function ($seconds, $which) use ($pause) {
    $list = [3, 1, 2];
    usort($list, function ($a, $b) use ($pause, $seconds, $which) { $pause($seconds / 10); return $which === 'slow' ? $a <=> $b : $b <=> $a; });
    $text = preg_replace_callback('/[a-z]/', function ($match) use ($pause, $seconds) { $pause($seconds / 20); return preg_replace('/./', $match[0].$match[0], 'x'); }, $which);
    $doubled = array_map(function ($x) use ($pause) { $pause(0.001); return 2 * $x; }, $list);
    array_walk($list, function (&$value, $key, $add) use ($pause) { $pause(0.001); $value .= $add; }, $which);
    return [$text, $doubled, $list];
});
?>
--EXPECTF--
error_get_last: overlap, {"fast":[null,"fast"],"slow":[null,"slow"]}
of the process
json_last_error: overlap, {"fast":[0,"No error"],"slow":[0,"Syntax error"]}
No error
strtok: overlap, {"fast":[false,["fast","is","a","word"]],"slow":[false,["slow","is","a","word"]]}
ro
stream wrappers: overlap, {"fast":[["OtherMemory","Memory",true],false],"slow":[["Memory",false,false],false]}
[false,"Memory",true]
default context: overlap, {"fast":["process",{"user_agent":"fast","proxy":"fast"}],"slow":["process",{"user_agent":"slow","proxy":"slow"}]}
{"http":{"user_agent":"process"}}
callbacks: overlap, {"fast":["ffaasstt",[6,4,2],["3fast","2fast","1fast"]],"slow":["ssllooww",[2,4,6],["1slow","2slow","3slow"]]}
