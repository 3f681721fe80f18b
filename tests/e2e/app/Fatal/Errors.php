<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Fatal;

use Fiber;

/** PHP's fatal errors that are no exceptions. */
final class Errors
{
    public static function class(): void
    {
        eval('class KQueueE2eTwice {} class KQueueE2eTwice {}');
    }

    public static function function(): void
    {
        eval('function kqueue_e2e_twice() {} function kqueue_e2e_twice() {}');
    }

    public static function final(): void
    {
        eval('class KQueueE2eChild extends '.self::class.' {}');
    }

    public static function interface(): void
    {
        eval('class KQueueE2eCount implements Countable {}');
    }

    public static function buffer(): void
    {
        ob_start(static fn () => ob_start());
        echo 'x';
        ob_end_flush();
    }

    public static function destructor(): void
    {
        $object = new class
        {
            public function __destruct()
            {
                Errors::function();
            }
        };
        unset($object);
    }

    public static function fiber(): void
    {
        (new Fiber(self::function(...)))->start();
    }

    public static function late(): void
    {
        usleep(100_000);
        self::function();
    }
}
