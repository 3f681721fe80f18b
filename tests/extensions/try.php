<?php

// Runs lanes, a copy of them, a child and timeouts with the extensions that are loaded, and prints what came of each as JSON. See tools/test-extensions.

final class Answers { public function handle(): int { return getmypid(); } }

$errors = [];
set_error_handler(function ($code, $message) use (&$errors) { $errors[] = $message; return true; });
$runtime = new KQueue\Runtime(concurrency: 50, isolated: 1);
$done = $timedOut = 0;
$runtime->onFailed(function ($job, $error) use (&$timedOut) { $timedOut += (int) ($error instanceof KQueue\Exception\JobTimedOut); });
for ($i = 0; $i < 50; $i++) {
    $runtime->dispatch(function () use (&$done) { usleep(2000); ini_set('precision', '5'); usleep(2000); $done++; });
}
for ($i = 0; $i < 5; $i++) {
    $runtime->dispatch(function () { usleep(10000000); }, timeout: 0.02);
}
$runtime->dispatch(new Answers, isolated: true);
$child = null;
$runtime->onFinished(function ($job, $result) use (&$child) { $child = is_int($result) ? $result : $child; });
$runtime->run();

$copied = new ArrayObject;
KQueue\Engine::template(static fn () => null, []);
KQueue\Engine::run(static function () use ($copied): void {
    if (! KQueue\Engine::lead()) {
        return;
    }
    if (count($copied) >= 10) {
        KQueue\Engine::stop();

        return;
    }
    $copied[] = 1;
    KQueue\Engine::reserved(['id' => (string) count($copied), 'class' => 'test', 'connection' => '', 'queue' => '']);
    usleep(500);
    KQueue\Engine::finished();
}, 5, true);
echo json_encode(['lanes' => $done === 50, 'children' => is_int($child) && $child !== getmypid(), 'timeouts' => $timedOut === 5, 'clones' => count($copied) >= 10, 'messages' => $errors, 'extensions' => KQueue\Engine::extensions()]);
