<?php

declare(strict_types=1);

namespace KQueue\Isolated;

use Illuminate\Contracts\Container\Container;
use Illuminate\Contracts\Queue\Job as JobContract;
use Illuminate\Queue\Jobs\Job;
use KQueue\Contracts\Engine;
use KQueue\Exceptions\QueueRefused;

/**
 * A job in an isolated child. The real one stays in the lane that reserved it, on that lane's connection, and is deleted or
 * released there when this one asks for it.
 */
final class ChildJob extends Job implements JobContract
{
    /** @param  array{connection: string, queue: string, id: string|int|null, attempts: int, body: string}  $request */
    public function __construct(Container $container, private readonly Engine $engine, private readonly array $request)
    {
        $this->container = $container;
        $this->connectionName = $request['connection'];
        $this->queue = $request['queue'];
    }

    #[\Override]
    public function delete()
    {
        parent::delete();

        $this->ask('delete');
    }

    /** @param  \DateTimeInterface|\DateInterval|int  $delay */
    #[\Override]
    public function release($delay = 0)
    {
        parent::release($delay);

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

        parent::fail($e);

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
