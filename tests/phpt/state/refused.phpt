--TEST--
What belongs to the process alone is refused in a lane with what to do instead; outside of lanes it works
--EXTENSIONS--
kqueue
pcntl
posix
pdo
pdo_sqlite
mysqlnd
mysqli
igbinary
redis
--SKIPIF--
<?php if (! class_exists('PDO') || ! class_exists('Redis') || ! function_exists('mysqli_connect')) { echo 'skip extensions are missing'; } ?>
--FILE--
<?php
class MyPdo extends PDO {}
class MyRedis extends Redis { }
$try = [
    'pcntl_signal' => fn () => pcntl_signal(SIGUSR1, fn () => null),
    'pcntl_alarm' => fn () => pcntl_alarm(0),
    'pcntl_sigprocmask' => fn () => pcntl_sigprocmask(SIG_BLOCK, []),
    'pfsockopen' => fn () => @pfsockopen('127.0.0.1', 1, $code, $message, 0.1),
    'stream_socket_client' => fn () => @stream_socket_client('tcp://127.0.0.1:1', $code, $message, 0.1, STREAM_CLIENT_CONNECT | STREAM_CLIENT_PERSISTENT),
    'mysqli' => fn () => @new mysqli('p:127.0.0.1', '', '', '', 1),
    'mysqli_connect' => fn () => @mysqli_connect('p:127.0.0.1', '', '', '', 1),
    'mysqli_real_connect' => fn () => @mysqli_real_connect(mysqli_init(), 'p:127.0.0.1', '', '', '', 1),
    'mysqli::real_connect' => fn () => @mysqli_init()->real_connect('p:127.0.0.1', '', '', '', 1),
    'PDO' => fn () => new PDO('sqlite::memory:', null, null, [PDO::ATTR_PERSISTENT => true]),
    'PDO, named' => fn () => new PDO('sqlite::memory:', options: [PDO::ATTR_ERRMODE => 2, PDO::ATTR_PERSISTENT => 'name']),
    'a subclass' => fn () => new MyPdo('sqlite::memory:', null, null, [PDO::ATTR_PERSISTENT => 1]),
    'a reflected one' => fn () => (new ReflectionClass('PDO'))->newInstance('sqlite::memory:', null, null, [PDO::ATTR_PERSISTENT => 1]),
    'Redis' => fn () => @(new Redis)->pconnect('127.0.0.1', 1, 0.1),
    'a subclass of Redis' => fn () => @(new MyRedis)->pconnect('127.0.0.1', 1, 0.1),
    'a callable' => fn () => array_map('pcntl_alarm', [0]),
    'a first-class callable' => fn () => (pcntl_alarm(...))(0),
    // These are not.
    'PDO without' => fn () => get_class(new PDO('sqlite::memory:', null, null, [PDO::ATTR_PERSISTENT => false])),
    'PDO with no options' => fn () => get_class(new MyPdo('sqlite::memory:')),
    'pcntl_async_signals' => fn () => pcntl_async_signals(),
    'stream_socket_client without' => fn () => @stream_socket_client('tcp://127.0.0.1:1', $code, $message, 0.1),
];
$run = function ($call) {
    try {
        $result = $call();
        return is_object($result) ? get_class($result) : json_encode($result);
    } catch (Throwable $error) {
        return get_class($error).': '.preg_replace('~ \(closure at \S+\)~', '', $error->getMessage());
    }
};
$outside = array_map($run, $try);
$runtime = new KQueue\Runtime(isolated: 0);
$runtime->dispatch(function () use ($try, $run, &$inside) {
    $inside = array_map($run, $try);
    $inside['pcntl_exec'] = $run(fn () => pcntl_exec('/bin/true'));
    class_alias(get_class(new class('sqlite::memory:') extends PDO {}), 'Late');
    $inside['a class declared meanwhile'] = $run(fn () => new Late('sqlite::memory:', null, null, [PDO::ATTR_PERSISTENT => true]));
});
$runtime->run();
foreach ($inside as $name => $result) {
    echo $name, ': ', $result, "\n";
}
echo "\n";
$after = array_map($run, $try);
echo 'outside: ', $outside === $after ? 'as ever' : 'CHANGED', ', ', implode(', ', array_unique(array_filter(array_map(fn ($result) => strstr($result, 'does not work'), $after)))), json_encode([$outside['pcntl_signal'], $outside['PDO'], $outside['a subclass']]), "\n";
echo get_class(new Late('sqlite::memory:', null, null, [PDO::ATTR_PERSISTENT => true])) !== '' ? "also for a class declared meanwhile\n" : '';

// In a process that a job forks there are no lanes.
$runtime->dispatch(function () {
    $pid = pcntl_fork();
    if ($pid === 0) {
        $before = microtime(true);
        pcntl_async_signals(true);
        pcntl_signal(SIGUSR1, function () { fwrite(STDOUT, "a signal in the child\n"); });
        posix_kill(posix_getpid(), SIGUSR1);
        usleep(1000);
        chdir('/');
        fwrite(STDOUT, getcwd()."\n");
        exit(3);
    }
    pcntl_waitpid($pid, $status);
    echo 'child: ', pcntl_wexitstatus($status), "\n";
});
$runtime->run();
?>
--EXPECT--
pcntl_signal: true
pcntl_alarm: KQueue\Exception\Unsupported: pcntl_alarm() does not work in a lane, where job 1 called it: signals come to the process, and the handler of one job would run in another. A job with $isolated = true has a process of its own.
pcntl_sigprocmask: KQueue\Exception\Unsupported: pcntl_sigprocmask() does not work in a lane, where job 1 called it: signals come to the process, and the handler of one job would run in another. A job with $isolated = true has a process of its own.
pfsockopen: KQueue\Exception\Unsupported: pfsockopen() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
stream_socket_client: KQueue\Exception\Unsupported: stream_socket_client() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
mysqli: KQueue\Exception\Unsupported: mysqli::__construct() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
mysqli_connect: KQueue\Exception\Unsupported: mysqli_connect() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
mysqli_real_connect: KQueue\Exception\Unsupported: mysqli_real_connect() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
mysqli::real_connect: KQueue\Exception\Unsupported: mysqli::real_connect() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
PDO: KQueue\Exception\Unsupported: PDO::__construct() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
PDO, named: KQueue\Exception\Unsupported: PDO::__construct() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
a subclass: KQueue\Exception\Unsupported: PDO::__construct() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
a reflected one: KQueue\Exception\Unsupported: PDO::__construct() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
Redis: KQueue\Exception\Unsupported: Redis::pconnect() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
a subclass of Redis: KQueue\Exception\Unsupported: Redis::pconnect() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.
a callable: KQueue\Exception\Unsupported: pcntl_alarm() does not work in a lane, where job 1 called it: signals come to the process, and the handler of one job would run in another. A job with $isolated = true has a process of its own.
a first-class callable: KQueue\Exception\Unsupported: pcntl_alarm() does not work in a lane, where job 1 called it: signals come to the process, and the handler of one job would run in another. A job with $isolated = true has a process of its own.
PDO without: "PDO"
PDO with no options: "MyPdo"
pcntl_async_signals: false
stream_socket_client without: false
pcntl_exec: KQueue\Exception\Unsupported: pcntl_exec() does not work in a lane, where job 1 called it: it would replace the process, and with it all jobs that run in it. Use proc_open(). A job with $isolated = true has a process of its own.
a class declared meanwhile: KQueue\Exception\Unsupported: PDO::__construct() does not work in a lane, where job 1 called it: a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway. A job with $isolated = true has a process of its own.

outside: as ever, ["true","PDO","MyPdo"]
also for a class declared meanwhile
a signal in the child
/
child: 3
