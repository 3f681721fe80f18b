<?php

declare(strict_types=1);

namespace KQueue\Output;

use DateTimeImmutable;
use DateTimeZone;
use Illuminate\Contracts\Config\Repository as Config;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Support\Carbon;
use KQueue\Contracts\RemoteJob;
use KQueue\Support\JobName;
use Symfony\Component\Console\Output\OutputInterface;
use Symfony\Component\Console\Terminal;
use Throwable;
use WeakMap;
use WeakReference;

/**
 * What is printed of jobs, as queue:work prints it and some twenty times as fast, since a runner may end thousands of jobs each second:
 * one line when a job ends, with -v also one when it begins, or JSON with Laravel's fields and a few more.
 *
 * One job at a time, in the process that made it: each lane has its own.
 */
final class JobOutput
{
    /** What a line has beside the name of the job, its times and (with -v) what identifies it. */
    private const AROUND_NAME = 31;

    private const AROUND_NAME_RUNNING = 33;

    /** Foreground and attributes on, and off, as Symfony's formatter writes "gray", "blue" and bold colours. */
    private const GRAY = ['90', '39'];

    private const BLUE = ['34', '39'];

    private const RED = ['31;1', '39;22'];

    private const GREEN = ['32;1', '39;22'];

    private const YELLOW = ['33;1', '39;22'];

    private readonly DateTimeZone $zone;

    private readonly bool $silent;

    private readonly bool $verbose;

    private readonly bool $colours;

    private readonly int $width;

    private int $second = 0;

    /** @var array{string, string, string} the second as people read it, as JSON has it, and its time zone */
    private array $texts = ['', '', ''];

    /** @var WeakMap<Job, array{float, bool}>|null when jobs began, and whether isolated: a job may run another within itself */
    private ?WeakMap $begun = null;

    /** Seconds that the job was ready in the queue before it was taken. */
    private ?int $wait = null;

    private ?int $attempts = null;

    private bool $failed = false;

    /** Which job all that is of. Its id would not do: the next job gets the same as soon as this one is gone. */
    private ?WeakReference $job = null;

    private string $name = '';

    /** The part of its JSON that stays the same. */
    private string $head = '';

    /** @var array{string, int}|null what identifies it: the text, and how long Laravel takes it to be */
    private ?array $ids = null;

    public function __construct(private readonly OutputInterface $output, private readonly bool $json, Config $config)
    {
        $this->zone = new DateTimeZone($config->get('queue.output_timezone') ?: $config->get('app.timezone') ?: date_default_timezone_get());
        $this->silent = $output->getVerbosity() < OutputInterface::VERBOSITY_NORMAL;
        $this->verbose = $output->isVerbose();
        $this->colours = $output->isDecorated();
        $this->width = (new Terminal)->getWidth();
    }

    /**
     * Reads what is asked of the job's payload, once: Laravel's jobs decode it each time.
     *
     * @return string its name
     */
    public function take(Job $job): string
    {
        if ($this->job?->get() === $job) {
            return $this->name;
        }

        $payload = (array) $job->payload();
        $made = $payload['createdAt'] ?? null;
        // Laravel (since 12) writes when a job was made, in whole seconds. Of a retry nothing tells when it became ready.
        $wait = is_int($made) ? max(0, (int) self::clock() - $made - (int) ($payload['delay'] ?? 0)) : null;

        $this->job = WeakReference::create($job);
        $this->failed = false;
        $this->ids = null;
        $name = JobName::in($payload);
        $this->name = self::clean($name);
        $this->attempts = $this->json || $wait > 0 ? $job->attempts() : null;
        $this->wait = $this->attempts > 1 ? null : $wait;
        $this->head = ! $this->json ? '' : self::members([
            'id' => $job->getJobId(),
            'uuid' => $payload['uuid'] ?? null,
            'connection' => $job->getConnectionName(),
            'queue' => $job->getQueue(),
            'job' => $name,
        ]);

        return $this->name;
    }

    /** The job begins elsewhere, and whoever runs it says so; its end may have to be told here. */
    public function beginElsewhere(Job $job): void
    {
        $this->take($job);
        $this->note($job, true);
    }

    public function begin(Job $job): void
    {
        if ($this->silent) {
            return;
        }

        $this->take($job);
        $this->note($job, $job instanceof RemoteJob);

        if ($this->json) {
            $this->write($this->asJson($job, 'starting', null));
        } elseif ($this->verbose) {
            $name = $this->take($job);
            [$ids, $length] = $this->identify($job);
            $dots = $this->dots($this->width - mb_strlen($name) - $length - self::AROUND_NAME_RUNNING);
            $this->write("  {$this->paint(self::GRAY, $this->now()[0])} {$name}{$ids} {$dots} {$this->paint(self::YELLOW, 'RUNNING')}");
        }
    }

    private function note(Job $job, bool $isolated): void
    {
        $this->begun ??= new WeakMap;
        $this->begun[$job] = [microtime(true), $isolated];
    }

    /** @param  string  $status  in Laravel's words */
    public function end(Job $job, string $status, ?Throwable $exception): void
    {
        if ($this->silent) {
            return;
        }

        $this->take($job);

        if ($this->json) {
            $this->write($this->asJson($job, $status, $exception));
        } elseif ($status !== 'success' || ! $this->failed) {
            $this->write($this->lastLine($job, $status));
        }

        // A job that failed itself goes on to its end, which is no success.
        $this->failed = $status === 'failed';
    }

    /** As Laravel's runTimeForHumans(), always in English. */
    public static function duration(float $seconds): string
    {
        if ($seconds <= 1) {
            return number_format($seconds * 1000, 2).'ms';
        }

        $text = '';
        $rest = (int) $seconds;

        foreach (['w' => 604800, 'd' => 86400, 'h' => 3600, 'm' => 60, 's' => 1] as $unit => $size) {
            if ($rest >= $size) {
                $text .= ($text === '' ? '' : ' ').intdiv($rest, $size).$unit;
                $rest %= $size;
            }
        }

        return $text;
    }

    private function lastLine(Job $job, string $status): string
    {
        $name = $this->take($job);
        $times = ($this->wait ?? 0) < 1 ? '' : self::duration($this->wait).' wait, ';
        [$startedAt] = $this->begun[$job] ?? [null];
        $times .= $startedAt === null ? '' : self::duration(microtime(true) - $startedAt);
        $length = 0;
        $ids = $memory = '';

        if ($this->verbose) {
            $memory = ' '.round(memory_get_usage(true) / 1024 / 1024, 1).'MB';
            [$ids, $length] = $this->identify($job);
            $length += strlen($memory);
        }

        return "  {$this->paint(self::GRAY, $this->now()[0])} {$name}{$ids} "
            .$this->dots($this->width - mb_strlen($name) - $length - strlen($times) - self::AROUND_NAME)
            ." {$this->paint(self::GRAY, $times.$memory)} "
            .match ($status) {
                'success' => $this->paint(self::GREEN, 'DONE'),
                'released_after_exception' => $this->paint(self::YELLOW, 'FAIL'),
                default => $this->paint(self::RED, 'FAIL'),
            };
    }

    /** @return array{string, int} see $ids */
    private function identify(Job $job): array
    {
        if ($this->ids !== null) {
            return $this->ids;
        }

        $id = self::clean((string) $job->getJobId());
        $where = [$job->getConnectionName(), self::clean((string) $job->getQueue())];

        return $this->ids = [
            " {$this->paint(self::GRAY, $id)} {$this->paint(self::BLUE, $where[0])} {$this->paint(self::BLUE, $where[1])}",
            mb_strlen($id.$where[0].$where[1]) + 2,
        ];
    }

    /** Laravel's fields in Laravel's order, without those that are empty, and then ours. What a job has in both of its lines is encoded once. */
    private function asJson(Job $job, string $status, ?Throwable $exception): string
    {
        $this->take($job);
        [$clock, $now] = [self::clock(), microtime(true)];
        [, $second, $zone] = $this->at((int) $clock);
        [$startedAt, $isolated] = $this->begun[$job] ?? [null, $job instanceof RemoteJob];

        $json = $status === 'starting' || $status === 'success' ? '{"level":"info",' : '{"level":"warning",';
        $json .= "{$this->head}\"status\":\"{$status}\"";
        $json .= match (true) {
            $job->isDeleted() => ',"result":"deleted"',
            $job->isReleased() => ',"result":"released"',
            $job->hasFailed() => ',"result":"failed"',
            default => '',
        };
        $json .= $this->attempts > 0 ? ",\"attempts\":{$this->attempts}" : '';
        $json .= $exception === null ? '' : ','.rtrim(self::members(['exception' => $exception::class, 'message' => $exception->getMessage()]), ',');
        $json .= ",\"timestamp\":\"{$second}.".substr((string) (1_000_000 + (int) (($clock - (int) $clock) * 1e6)), 1)."{$zone}\"";
        $json .= $status === 'starting' || $startedAt === null ? '' : ',"duration":'.json_encode(round($now - $startedAt, 6));
        $json .= $this->wait === null ? '' : ",\"wait\":{$this->wait}";

        return $json.($isolated ? ',"isolated":true' : ',"isolated":false').',"pid":'.getmypid().'}';
    }

    /** @param  array<string, mixed>  $values */
    private static function members(array $values): string
    {
        $values = array_filter($values);

        return $values === [] ? '' : substr(json_encode($values, JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR), 1, -1).',';
    }

    /** As Laravel has it: a test may travel. How long jobs run is another clock's. */
    private static function clock(): float
    {
        return Carbon::hasTestNow() ? (float) Carbon::now()->format('U.u') : microtime(true);
    }

    /** @return array{string, string, string} */
    private function now(): array
    {
        return $this->at((int) self::clock());
    }

    /** @return array{string, string, string} */
    private function at(int $second): array
    {
        if ($this->second !== $second) {
            $now = (new DateTimeImmutable("@{$second}"))->setTimezone($this->zone);
            $this->second = $second;
            $this->texts = [$now->format('Y-m-d H:i:s'), $now->format('Y-m-d\TH:i:s'), $now->format('P')];
        }

        return $this->texts;
    }

    private function dots(int $count): string
    {
        return $count > 0 ? $this->paint(self::GRAY, str_repeat('.', $count)) : '';
    }

    /** @param  array{string, string}  $colour */
    private function paint(array $colour, string $text): string
    {
        return $this->colours && $text !== '' ? "\e[{$colour[0]}m{$text}\e[{$colour[1]}m" : $text;
    }

    private function write(string $line): void
    {
        $this->output->writeln($line, OutputInterface::OUTPUT_RAW);
    }

    /** Names come from whoever queued the job: they must not steer the terminal or look like further lines. */
    private static function clean(string $name): string
    {
        return preg_replace('/[\x00-\x1F\x7F]/', '?', $name) ?? '';
    }
}
