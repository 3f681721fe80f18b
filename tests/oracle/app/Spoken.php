<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Broadcasting\Channel as BroadcastChannel;
use Illuminate\Contracts\Broadcasting\ShouldBroadcast;

class Spoken implements ShouldBroadcast
{
    public int $tries = 2;

    public function __construct(public string $queue, public string $text) {}

    public function broadcastQueue(): string
    {
        return $this->queue;
    }

    public function broadcastOn(): BroadcastChannel
    {
        return new BroadcastChannel('talk');
    }
}
