<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Laravel\Nightwatch\Contracts\LocalIngest;

/** In place of Nightwatch's agent: a file for what it is sent. */
final class NightwatchFile implements LocalIngest
{
    public function write(string $payload): void
    {
        $payload === '' || file_put_contents(getenv('KQUEUE_TEST_FOLDER').'/nightwatch', $payload."\n", FILE_APPEND);
    }

    /** @return array<string, int> records by type, without the worker's own looks at the queue, of which there are as many as it takes */
    public static function counts(): array
    {
        $types = [];

        foreach (@file(getenv('KQUEUE_TEST_FOLDER').'/nightwatch') ?: [] as $line) {
            foreach (json_decode($line, true) as $record) {
                if (! preg_match('/^illuminate:queue/', $record['key'] ?? '') && ! str_contains($record['sql'] ?? '', '"jobs"')) {
                    $types[] = $record['t'];
                }
            }
        }

        $counts = array_count_values($types);
        ksort($counts);

        return $counts;
    }
}
