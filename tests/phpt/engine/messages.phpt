--TEST--
The engine tells the run of its hooks, and names jobs that share a connection by class and id, once in a while
--EXTENSIONS--
kqueue
--FILE--
<?php
use KQueue\Engine;

$run = (object) ['begun' => 0, 'pairs' => [stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0), stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0)], 'lines' => []];
$messages = [];
Engine::run(static function () use ($run): void {
    if (! Engine::lead()) {
        return;
    }
    $number = $run->begun++;
    Engine::reserved(['id' => "id-$number", 'class' => 'App\Jobs\\'.['Sends', 'Reads', 'Asks'][$number % 3], 'connection' => '', 'queue' => '']);
    $number >= 5 && Engine::stop();
    [$near, $far] = $run->pairs[intdiv($number, 3)];
    try {
        if ($number % 3 === 0) {
            usleep(20000);
            fwrite($far, "x\n");
        } else {
            $run->lines[] = "$number got ".trim(fgets($near));
            for ($i = 0; $i < 10; $i++) { }
        }
    } catch (KQueue\Exception\ConnectionShared $error) {
        $run->lines[] = "$number threw ".preg_replace('/\. .*/', '', $error->getMessage());
    }
    Engine::finished();
}, 10, false, null, function (string $level, string $message) use (&$messages) {
    $messages[] = "$level: $message";
    throw new Exception('is nobody\'s');
});
sort($run->lines);
echo implode("\n", $run->lines), "\n", implode("\n", $messages), "\n";

try {
    Engine::run(fn () => 1, 1, false, null, 'no function');
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECTF--
1 got x
2 threw App\Jobs\Asks (id-2) uses one socket (descriptor %d) while App\Jobs\Reads (id-1) waits for it
4 got x
5 threw App\Jobs\Asks (id-5) uses one socket (descriptor %d) while App\Jobs\Reads (id-4) waits for it
info: Hooks (all): %d slots in %d libraries lead to %s.
warning: App\Jobs\Asks (id-2) uses one socket (descriptor %d) while App\Jobs\Reads (id-1) waits for it. Its call failed. Open a connection inside each job instead of handing one to several, or let the job run isolated.
onMessage is not callable
