<?php

declare(strict_types=1);

namespace KQueue\Child;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Jobs\Job;
use Illuminate\Queue\RedisQueue;
use KQueue\Contracts\ChildLink;
use KQueue\Contracts\RemoteJob;

/** A job in an isolated child, of whatever driver. */
final class ChildJob extends Job implements RemoteJob
{
    use RemoteJobActions;

    /** @param  array{connection: string, queue: string, id: string|int|null, attempts: int, body: string, reserved?: string|null}  $request */
    public function __construct(Application $app, ChildLink $link, array $request)
    {
        $this->container = $app;
        $this->link = $link;
        $this->request = $request;
        $this->connectionName = $request['connection'];
        $this->queue = $request['queue'];
    }

    /**
     * The job that the lane asks this child to run: a RedisJob if its own is one.
     *
     * @param  array{connection: string, queue: string, id: string|int|null, attempts: int, body: string, reserved?: string|null}  $request
     */
    public static function of(Application $app, ChildLink $link, array $request): self|ChildRedisJob
    {
        $queue = isset($request['reserved']) ? $app->make('queue')->connection($request['connection']) : null;

        return $queue instanceof RedisQueue ? new ChildRedisJob($app, $link, $queue, $request) : new self($app, $link, $request);
    }
}
