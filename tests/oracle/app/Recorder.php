<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use BackedEnum;
use Illuminate\Container\Container;
use Illuminate\Contracts\Queue\Job as QueueJob;
use Throwable;

/**
 * Writes down all that a worker lets others see, in whatever process or lane it happens: to a file that is only appended to.
 *
 * An entry belongs to a job if it came with it, or happened while this application ran it.
 */
final class Recorder
{
    private const NOT_COMPARED = ['job', 'command', 'payload', 'id', 'workerOptions', 'connectionName', 'memoryUsage', 'lastJobProcessedAt'];

    /** @var array{queue: string, uuid: string, label: string, attempt: int}|null */
    private ?array $current = null;

    public static function here(): self
    {
        return Container::getInstance()->make(self::class);
    }

    /** Something that a job's code did. */
    public static function did(string $what, mixed $detail = null): void
    {
        $recorder = self::here();
        $recorder->write('did', $detail === null ? $what : "{$what} ".self::text($detail), $recorder->current ?? []);
    }

    /** Something that counts, and not which job happened to cause it: callbacks of a batch. */
    public static function note(string $queue, string $what): void
    {
        self::here()->write('note', $what, ['queue' => $queue]);
    }

    public static function reported(Throwable $e): void
    {
        $recorder = self::here();
        $recorder->write('reported', 'reported '.self::text($e), $recorder->current ?? []);
    }

    public function begins(QueueJob $job): void
    {
        $this->current = self::of($job);
    }

    public function ends(): void
    {
        $this->current = null;
    }

    public function event(object $event): void
    {
        $name = class_basename($event);

        if ($name === 'JobQueueing' || $name === 'JobQueued') {
            $this->queued($name, $event);

            return;
        }

        $job = $event->job ?? null;
        $of = [];

        if ($job instanceof QueueJob) {
            $of = self::of($job);

            if ($name === 'JobPopped') {
                $this->current = $of;
            }
        } elseif ($name === 'UniqueJobSkipped') {
            $of = ['queue' => (string) $job->queue, 'uuid' => '', 'label' => (string) $job->label, 'attempt' => 0];
        }

        $this->write('event', rtrim("{$name} ".$this->details($event, $job)), $of);
    }

    /** @return array{queue: string, uuid: string, label: string, attempt: int} */
    private static function of(QueueJob $job): array
    {
        return [
            'queue' => (string) $job->getQueue(),
            'uuid' => (string) $job->uuid(),
            'label' => self::label((array) $job->payload()),
            'attempt' => $job->attempts(),
        ];
    }

    private function queued(string $name, object $event): void
    {
        $payload = json_decode($event->payload, true);
        $queue = $payload['queue'] ?? $event->queue ?? config("queue.connections.{$event->connectionName}.queue");
        $delay = $event->delay ?? null;
        $delay = is_int($delay) || $delay === null ? $delay : 'a time';

        $this->write('event', rtrim("{$name} ".($delay === null ? '' : "delay={$delay}")), [
            'queue' => $queue, 'uuid' => (string) ($payload['uuid'] ?? ''), 'label' => self::label($payload), 'attempt' => 0,
        ], $name === 'JobQueued' ? $payload : null);
    }

    private function details(object $event, mixed $job): string
    {
        $details = [];

        if ($job instanceof QueueJob) {
            $details[] = '#'.$job->attempts();
            $details[] = implode('+', array_keys(array_filter([
                'deleted' => $job->isDeleted(), 'released' => $job->isReleased(), 'failed' => $job->hasFailed(),
            ])));
        }

        foreach (get_object_vars($event) as $property => $value) {
            if ($value !== null && ! in_array($property, self::NOT_COMPARED, true)) {
                $details[] = "{$property}=".self::text($value);
            }
        }

        return implode(' ', array_filter($details));
    }

    /** @param  array<string, mixed>  $payload */
    private static function label(array $payload): string
    {
        return (string) ($payload['label'] ?? class_basename($payload['displayName'] ?? 'unnamed'));
    }

    private static function text(mixed $value): string
    {
        return match (true) {
            $value instanceof Throwable => get_class($value).': '.$value->getMessage(),
            $value instanceof BackedEnum => (string) $value->value,
            is_object($value) => get_class($value),
            is_string($value) => $value,
            default => (string) json_encode($value),
        };
    }

    /**
     * @param  array{queue?: string, uuid?: string, label?: string, attempt?: int}  $of
     * @param  array<string, mixed>|null  $payload
     */
    private function write(string $kind, string $what, array $of, ?array $payload = null): void
    {
        $entry = ['kind' => $kind, 'what' => $what, 'pid' => getmypid(), ...$of, ...($payload === null ? [] : ['payload' => $payload])];

        file_put_contents(getenv('KQUEUE_TEST_FOLDER').'/record', json_encode($entry, JSON_INVALID_UTF8_SUBSTITUTE)."\n", FILE_APPEND);
    }
}
