--TEST--
KQUEUE_HOOKS: off, sleep, handlers, all; anything else is refused in one sentence
--EXTENSIONS--
kqueue
--FILE--
<?php
set_error_handler(function ($level, $message) {
    echo $message, "\n";
    return true;
});

/** Whether others go on while one job waits. */
function overlaps(string $what, callable $wait, callable $meanwhile): void
{
    $order = [];
    $runtime = new KQueue\Runtime(isolated: 0);
    $runtime->dispatch(function () use ($wait, &$order) { $wait(); $order[] = 'waited'; });
    $runtime->dispatch(function () use ($meanwhile, &$order) { $order[] = 'meanwhile'; $meanwhile(); });
    $runtime->run();
    echo "  $what: ", $order[0] === 'meanwhile' ? 'suspends the lane' : 'stops all', "\n";
}

foreach (['', 'all', 'off', 'sleep', 'handlers'] as $mode) {
    echo "$mode\n";
    putenv("KQUEUE_HOOKS=$mode");
    overlaps('usleep', fn () => usleep(5000), fn () => null);
    [$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    stream_set_timeout($near, 0, 100000);
    overlaps('fread', fn () => fread($near, 1), fn () => fwrite($far, 'x'));
    overlaps('stream_get_contents', fn () => stream_get_contents($near, 1), fn () => fwrite($far, 'x'));
    $hooks = (new KQueue\Runtime(isolated: 0))->stats()['hooks'];
    printf("  %s: %s slots, %s libraries, %s functions; poll %s, usleep %s\n", $hooks['mode'], $hooks['slots'] > 20 ? 'many' : ($hooks['slots'] > 0 ? 'some' : 'no'),
        $hooks['libraries'] > 0 ? 'some' : 'no', count($hooks['functions']) > 15 ? 'many' : (count($hooks['functions']) > 0 ? 'some' : 'no'),
        var_export(in_array('poll', $hooks['functions'], true), true), var_export(in_array('usleep', $hooks['functions'], true), true));
}

putenv('KQUEUE_HOOKS=everything');
try {
    new KQueue\Runtime(isolated: 0);
} catch (KQueue\Exception\InvalidArgument $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--

  usleep: suspends the lane
  fread: suspends the lane
  stream_get_contents: suspends the lane
  all: many slots, some libraries, many functions; poll true, usleep true
all
  usleep: suspends the lane
  fread: suspends the lane
  stream_get_contents: suspends the lane
  all: many slots, some libraries, many functions; poll true, usleep true
off
  usleep: stops all
  fread: stops all
  stream_get_contents: stops all
  off: no slots, no libraries, no functions; poll false, usleep false
sleep
  usleep: suspends the lane
  fread: stops all
  stream_get_contents: stops all
  sleep: some slots, some libraries, some functions; poll false, usleep true
handlers
  usleep: suspends the lane
  fread: suspends the lane
  stream_get_contents: stops all
  handlers: no slots, no libraries, some functions; poll false, usleep true
KQUEUE_HOOKS must be off, sleep, handlers or all, not "everything"
