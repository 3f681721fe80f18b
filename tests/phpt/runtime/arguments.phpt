--TEST--
Bad arguments are refused with messages that name all of them
--EXTENSIONS--
kqueue
--FILE--
<?php
function refused(callable $call): void
{
    try {
        $call();
        echo "accepted\n";
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

refused(fn () => new KQueue\Runtime(concurrency: 0, isolated: -1, memoryLimit: -5, grace: -1.0));
refused(fn () => new KQueue\Runtime(concurrency: 100001));
refused(fn () => new KQueue\Runtime(isolated: 1025));
refused(fn () => new KQueue\Runtime(grace: NAN));
refused(fn () => new KQueue\Runtime(isolated: 0, grace: INF));

$runtime = new KQueue\Runtime(isolated: 0);
class NoHandle {}
class Hidden { private function handle() {} }
class Job { public function handle() {} }
refused(fn () => $runtime->dispatch(new NoHandle));
refused(fn () => $runtime->dispatch(new Hidden));
refused(fn () => $runtime->dispatch('no_such_function'));
refused(fn () => $runtime->dispatch([]));
refused(fn () => $runtime->dispatch(null));
refused(fn () => $runtime->dispatch(fn () => 1, timeout: -1.0));
refused(fn () => $runtime->dispatch(fn () => 1, delay: -0.5));
refused(fn () => $runtime->dispatch(fn () => 1, delay: NAN));
refused(fn () => $runtime->dispatch(fn () => 1, timeout: -1.0, delay: -0.5));
refused(fn () => $runtime->dispatch(fn () => 1, isolated: true));
refused(fn () => $runtime->dispatch(new Job, isolated: true));
refused(fn () => $runtime->after(-1, fn () => 1));
refused(fn () => $runtime->after(1, 'nothing'));
refused(fn () => $runtime->every(0, fn () => 1));
refused(fn () => $runtime->onFailed('nothing'));
echo 'handed in: ', $runtime->stats()['waiting'] + $runtime->stats()['delayed'], "\n";

refused(fn () => clone $runtime);
refused(fn () => serialize($runtime));
refused(fn () => KQueue\Engine::lead());
refused(fn () => KQueue\Engine::finished());
refused(fn () => KQueue\Engine::idle(1.0));
refused(fn () => KQueue\Engine::ask('x'));
refused(fn () => KQueue\Engine::isolate('x', fn () => 1));
refused(fn () => KQueue\Engine::run(fn () => 1, 0, false));
refused(fn () => KQueue\Engine::run('nothing', 1, false));
refused(fn () => KQueue\Engine::run(fn () => 1, 1, true));
refused(fn () => KQueue\Engine::supervise(['isolated' => -1, 'grace' => 'x'], fn () => 1, fn () => 1, fn () => 1));
refused(fn () => KQueue\Engine::supervise(['isolated' => 'two'], fn () => 1, fn () => 1, fn () => 1));
?>
--EXPECT--
KQueue\Exception\InvalidArgument: concurrency must be 1 to 100000, not 0; isolated must be 0 to 1024, not -1; memoryLimit must be MB, or 0 for no limit, not -5; grace must be seconds, not -1
KQueue\Exception\InvalidArgument: concurrency must be 1 to 100000, not 100001
KQueue\Exception\InvalidArgument: isolated must be 0 to 1024, not 1025
KQueue\Exception\InvalidArgument: grace must be seconds, not NaN
KQueue\Exception\InvalidArgument: grace must be seconds, not inf
KQueue\Exception\InvalidArgument: a job is a callable, or an object with a public handle() method
KQueue\Exception\InvalidArgument: a job is a callable, or an object with a public handle() method
KQueue\Exception\InvalidArgument: a job is a callable, or an object with a public handle() method
KQueue\Exception\InvalidArgument: a job is a callable, or an object with a public handle() method
KQueue\Exception\InvalidArgument: a job is a callable, or an object with a public handle() method
KQueue\Exception\InvalidArgument: timeout must be a number of seconds of at least 0, not -1
KQueue\Exception\InvalidArgument: delay must be a number of seconds of at least 0, not -0.5
KQueue\Exception\InvalidArgument: delay must be a number of seconds of at least 0, not NaN
KQueue\Exception\InvalidArgument: timeout must be a number of seconds of at least 0, not -1; delay must be a number of seconds of at least 0, not -0.5
KQueue\Exception\InvalidArgument: only an object with a handle() method can run isolated; a closure always runs inline
KQueue\Exception\InvalidArgument: this runtime was made with isolated: 0, so it has no children for an isolated job
KQueue\Exception\InvalidArgument: seconds must be a number of seconds of at least 0, not -1
KQueue\Exception\InvalidArgument: the callback is not callable
KQueue\Exception\InvalidArgument: seconds must be a number of seconds of at least 0.000001, not 0
KQueue\Exception\InvalidArgument: the callback is not callable
handed in: 0
Error: Trying to clone an uncloneable object of class KQueue\Runtime
Exception: Serialization of 'KQueue\Runtime' is not allowed
KQueue\Exception\InvalidArgument: Engine::lead() works inside a lane only
KQueue\Exception\InvalidArgument: Engine::finished() works inside a lane only
KQueue\Exception\InvalidArgument: Engine::idle() works inside a lane only
KQueue\Exception\InvalidArgument: ask() works in an isolated child and in fresh() only
KQueue\Exception\InvalidArgument: Engine::isolate() works inside a lane only
KQueue\Exception\InvalidArgument: concurrency must be 1 to 100000, not 0
KQueue\Exception\InvalidArgument: the lane's callable is not callable
KQueue\Exception\InvalidArgument: lanes can be cloned only after template()
KQueue\Exception\InvalidArgument: option "grace" must be a number of seconds
KQueue\Exception\InvalidArgument: option "isolated" must be an integer
