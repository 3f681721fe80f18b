--TEST--
SysV semaphores and message queues
--EXTENSIONS--
posix
sysvmsg
sysvsem
kqueue
--FILE--
<?php
require __DIR__.'/../lib/rows.inc';
$semaphore = sem_get(random_int(1, PHP_INT_MAX >> 32));
row('semaphore', function ($seconds) use ($semaphore) {
    $held = sem_acquire($semaphore);
    usleep((int) ($seconds * 1e6));

    return [$held, sem_release($semaphore)];
}, [true, true], 4);
sem_remove($semaphore);

// The sender is another process, as each job's own message comes late.
$queue = msg_get_queue(random_int(1, PHP_INT_MAX >> 32), 0600);
row('message-queue', function ($seconds, $which) use ($queue) {
    $sender = pcntl_fork();
    if ($sender === 0) {
        usleep((int) ($seconds * 1e6));
        @msg_send($queue, 1 + $which, "text $which");
        posix_kill(getmypid(), SIGKILL);
    }
    msg_receive($queue, 1 + $which, $kind, 100, $text);
    pcntl_waitpid($sender, $status);

    return [$kind, $text];
}, fn ($which) => [1 + $which, "text $which"]);
msg_remove_queue($queue);
?>
--EXPECT--
semaphore: as documented
message-queue: as documented
