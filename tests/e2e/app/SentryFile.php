<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Sentry\Event;

/** In place of Sentry's server: a file for what would be sent. */
final class SentryFile
{
    public static function event(Event $event): ?Event
    {
        return self::note('event '.($event->getExceptions()[0] ?? null)?->getValue());
    }

    public static function transaction(Event $event): ?Event
    {
        return self::note("transaction {$event->getTransaction()} with ".count($event->getSpans()).' spans');
    }

    private static function note(string $what): null
    {
        file_put_contents(getenv('KQUEUE_TEST_FOLDER').'/sentry', $what."\n", FILE_APPEND);

        return null;
    }

    /** @return array<string, int> */
    public static function counts(): array
    {
        $counts = array_count_values(array_map(trim(...), @file(getenv('KQUEUE_TEST_FOLDER').'/sentry') ?: []));
        ksort($counts);

        return $counts;
    }
}
