<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Fatal;

use FFI;
use stdClass;

/** How C code ends a process without PHP's knowing. */
final class Deaths
{
    /** The stack of C code: PHP frees what an object holds by recursion. */
    public static function frees(): void
    {
        $chain = self::chain();
        unset($chain);
    }

    public static function serializes(): void
    {
        serialize(self::chain());
    }

    public static function encodes(): void
    {
        json_encode(self::chain(), depth: PHP_INT_MAX >> 33);
    }

    /** Of a library, in the middle of a call. */
    public static function aborts(): void
    {
        FFI::cdef('void abort(void);')->abort();
    }

    /** Of the whole process, by a library: PHP does not hear of it. */
    public static function exits(): void
    {
        FFI::cdef('void _exit(int);')->_exit(7);
    }

    /** More in one call than a job may have. */
    public static function takes(): void
    {
        str_repeat('x', 1 << 30);
    }

    /** Long enough for any stack, and small enough for a job's memory. */
    private static function chain(): stdClass
    {
        $chain = new stdClass;

        for ($i = 0; $i < 500_000; $i++) {
            $next = new stdClass;
            $next->next = $chain;
            $chain = $next;
        }

        return $chain;
    }
}
