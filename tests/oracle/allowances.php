<?php

/**
 * The differences that are meant, by the keys of the table in docs/laravel.md: each makes of what queue:work did what
 * kqueue:run has to do instead. A case names those that concern it; whatever else differs fails.
 */

declare(strict_types=1);

return [
    'isolated-events' => static function (array $trace, string $mode): array {
        if ($mode === 'isolated' && ($trace['places'] ?? []) !== []) {
            $trace['places'] = ['jobs run in processes that take none'];
        }

        return $trace;
    },
];
