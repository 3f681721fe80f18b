--TEST--
Two jobs that use one connection are named; the second neither gets in between nor stops the others
--EXTENSIONS--
sockets
kqueue
--FILE--
<?php
set_error_handler(function ($level, $message) {
    echo preg_replace(['/descriptor \d+/', '~/\S*/~'], ['descriptor N', ''], $message), "\n";
    return true;
});
$pair = fn () => stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
/** Runs jobs, and says what they wrote into $log, in order. */
function run(Closure ...$jobs): void
{
    $log = [];
    $runtime = new KQueue\Runtime(isolated: 0);
    $runtime->onFailed(function ($id, $error) use (&$log) { $log[] = "$id failed: ".get_class($error); });
    foreach ($jobs as $job) {
        $runtime->dispatch(function () use ($job, &$log) { $job(function ($what) use (&$log) { $log[] = $what; }); });
    }
    $runtime->run();
    echo implode(', ', $log), "\n";
}

echo "- reading\n";
[$near, $far] = $pair();
run(
    fn ($log) => $log('1 got '.fgets($near)),
    function ($log) use ($near) { $log('2 got '.json_encode(fgets($near))); },
    function ($log) use ($far) { usleep(20000); $log('3 goes on'); fwrite($far, 'half, '); usleep(20000); fwrite($far, "whole\n"); },
);

echo "- what it throws can be caught, once\n";
[$near, $far] = $pair();
run(
    fn ($log) => $log('1 got '.fread($near, 1)),
    function ($log) use ($near) {
        try {
            fread($near, 1);
            for ($i = 0; $i < 10; $i++) { }
        } catch (KQueue\Exception\ConnectionShared) {
            $log('2 caught it');
        }
        usleep(1000);
        $log('2 waited');
    },
    function () use ($far) { usleep(50000); fwrite($far, 'x'); },
);

echo "- a request while another waits for its answer\n";
[$near, $far] = $pair();
$ask = function ($which) use ($near) {
    return function ($log) use ($near, $which) {
        fwrite($near, "question $which\n");
        $log("$which: ".trim(fgets($near)));
    };
};
run($ask(1), $ask(2), $ask(3), function ($log) use ($far) {
    for ($i = 0; $i < 3; $i++) {
        $question = fgets($far);
        usleep(20000);
        fwrite($far, "answer to $question");
    }
});

echo "- watching\n";
[$near, $far] = $pair();
[$other, $kept] = $pair();
$watch = function ($which) use ($near, $other) {
    return function ($log) use ($near, $other, $which) {
        $read = [$near, $other];
        $none = null;
        $log("$which: ".stream_select($read, $none, $none, 10).' '.fread($near, 1));
    };
};
run($watch(1), $watch(2), function ($log) use ($far) { usleep(20000); $log('3 goes on'); fwrite($far, 'a'); usleep(20000); fwrite($far, 'b'); });

echo "- nothing wrong with these\n";
$server = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) substr(strrchr(stream_socket_get_name($server, false), ':'), 1);
$accept = function ($log) use ($server) { $log(fgets(stream_socket_accept($server, 20))); };
[$near, $far] = $pair();
run(
    $accept,
    $accept,
    function () use ($port) {
        usleep(20000);
        foreach (["first\n", "second\n"] as $word) {
            fwrite(stream_socket_client("tcp://127.0.0.1:$port"), $word);
            usleep(20000);
        }
    },
    fn ($log) => $log('read '.fread($near, 1)),
    function () use ($far) { usleep(100000); fwrite($far, 'x'); },
);

echo "- lanes for one job\n";
[$near, $far] = $pair();
run(function ($log) use ($near, $far) {
    try {
        KQueue\concurrently([fn () => fread($near, 1), fn () => fread($near, 1), function () use ($far) { usleep(20000); fwrite($far, 'x'); }]);
    } catch (KQueue\Exception\ConnectionShared $error) {
        $log('thrown');
    }
});
?>
--EXPECTF--
- reading
KQueue: job 2 (closure at shared.php:%d) uses one socket (descriptor N) while job 1 (closure at shared.php:%d) waits for it. Its call failed. Open a connection inside each job instead of handing one to several, or let the job run isolated.
2 failed: KQueue\Exception\ConnectionShared, 3 goes on, 1 got half, whole

- what it throws can be caught, once
KQueue: job 2 %s Its call failed. %s
2 caught it, 2 waited, 1 got x
- a request while another waits for its answer
KQueue: job 2 %s It sends nothing until the other has its answer. %s
1: answer to question 1, 2: answer to question 2, 3: answer to question 3
- watching
KQueue: job 2 %s They wait in turn, and each may get what is meant for the other. %s
3 goes on, 1: 1 a, 2: 1 b
- nothing wrong with these
first
, second
, read x
- lanes for one job
KQueue: job 1 %s while job 1 %s Its call failed. %s
thrown
