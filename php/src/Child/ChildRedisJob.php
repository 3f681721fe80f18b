<?php

declare(strict_types=1);

namespace KQueue\Child;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Jobs\RedisJob;
use Illuminate\Queue\RedisQueue;
use KQueue\Contracts\ChildLink;
use KQueue\Contracts\RemoteJob;

/** A Redis job in an isolated child. Listeners tell Redis jobs by their class and ask them for more than others: Horizon's do. */
final class ChildRedisJob extends RedisJob implements RemoteJob
{
    use RemoteJobActions;

    /** @param  array{connection: string, queue: string, id: string|int|null, attempts: int, body: string, reserved: string}  $request */
    public function __construct(Application $app, ChildLink $link, RedisQueue $queue, array $request)
    {
        $this->link = $link;
        $this->request = $request;

        parent::__construct($app, $queue, $request['body'], $request['reserved'], $request['connection'], $request['queue']);
    }
}
