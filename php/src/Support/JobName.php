<?php

declare(strict_types=1);

namespace KQueue\Support;

use Illuminate\Contracts\Queue\Job;

/** What a job is called in lines and messages: as its resolveName() says, which throws if the payload cannot be read. */
final class JobName
{
    public static function of(Job $job): string
    {
        return self::in((array) $job->payload());
    }

    /** @param  array<string, mixed>  $payload */
    public static function in(array $payload): string
    {
        return (string) (($payload['displayName'] ?? $payload['job'] ?? '') ?: 'unreadable');
    }
}
