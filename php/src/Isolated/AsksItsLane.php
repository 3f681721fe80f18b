<?php

declare(strict_types=1);

namespace KQueue\Isolated;

use Illuminate\Queue\Jobs\Job;
use KQueue\Contracts\Engine;
use KQueue\Exceptions\QueueRefused;

/**
 * What a job object does in an isolated child: the real one stays in the lane that reserved it, on that lane's connection, and is
 * deleted or released there when this one asks for it.
 *
 * Of Laravel's classes, only Job's own part is called, which takes note; what its subclasses do would reach the queue.
 */
trait AsksItsLane
{
    private readonly Engine $engine;

    /** @var array{connection: string, queue: string, id: string|int|null, attempts: int, body: string, reserved: string|null} */
    private readonly array $request;

    #[\Override]
    public function delete()
    {
        Job::delete();

        $this->ask('delete');
    }

    /** @param  \DateTimeInterface|\DateInterval|int  $delay */
    #[\Override]
    public function release($delay = 0)
    {
        Job::release($delay);

        $this->ask('release', $this->secondsUntil($delay));
    }

    /** The lane is told before and after: if this process dies in between, it records the failure itself. */
    #[\Override]
    public function fail($e = null)
    {
        $first = ! $this->hasFailed() && ! $this->isDeleted();

        if ($first) {
            $this->ask('fail');
        }

        Job::fail($e);

        if ($first) {
            $this->ask('failed');
        }
    }

    public function attempts()
    {
        return $this->request['attempts'];
    }

    #[\Override]
    public function getJobId()
    {
        return $this->request['id'];
    }

    #[\Override]
    public function getRawBody()
    {
        return $this->request['body'];
    }

    private function ask(string $action, int $delay = 0): void
    {
        $answer = $this->engine->ask(serialize(['action' => $action, 'delay' => $delay]));

        if ($answer !== '') {
            throw QueueRefused::to($action, $answer);
        }
    }
}
