<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Contracts\Queue\Job;

/** What Horizon, and listeners beside it, are told of each job that has a tag. */
final class HorizonRecorder
{
    public static function listen(Dispatcher $events): void
    {
        $events->listen('Laravel\Horizon\Events\*', static function (string $name, array $given): void {
            $event = $given[0];

            foreach ($event->payloads ?? [$event->payload ?? null] as $payload) {
                $payload && self::add($payload->tags(), class_basename($name), [
                    'connection' => $event->connectionName,
                    'queue' => $event->queue,
                    'attempts' => $payload->decoded['attempts'],
                    'type' => $payload->decoded['type'],
                    'failed' => ($event->job ?? null)?->hasFailed(),
                    'exception' => isset($event->exception) ? $event->exception::class : null,
                ]);
            }
        });

        $events->listen('Illuminate\Queue\Events\*', static function (string $name, array $given): void {
            $job = $given[0]->job ?? null;
            $job instanceof Job && self::add($job->payload()['tags'] ?? [], class_basename($name), ['failed' => $job->hasFailed()]);
        });
    }

    /**
     * @param  list<string>  $tags
     * @param  array<string, mixed>  $details
     */
    private static function add(array $tags, string $event, array $details): void
    {
        $tags === [] || Trace::add('horizon', ['job' => $tags[0], 'event' => $event] + $details);
    }
}
