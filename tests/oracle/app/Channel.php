<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use RuntimeException;

/** Notifications are sent by it. */
final class Channel
{
    public function send(object $notifiable, Notice $notification): void
    {
        Recorder::did('notifies', [$notification->text, $notification->locale]);

        $notification->text !== 'unsendable' || throw new RuntimeException('cannot be sent');
    }
}
