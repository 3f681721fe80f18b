<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Broadcasting\Broadcasters\Broadcaster as BaseBroadcaster;
use RuntimeException;

final class Broadcaster extends BaseBroadcaster
{
    public function auth($request) {}

    public function validAuthenticationResponse($request, $result) {}

    public function broadcast(array $channels, $event, array $payload = [])
    {
        Recorder::did('broadcasts', [array_map(strval(...), $channels), $event, $payload]);

        $payload['text'] !== 'unspeakable' || throw new RuntimeException('cannot be said');
    }
}
