<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Notifications\Messages\MailMessage;
use Illuminate\Notifications\Notification;
use Throwable;

final class Notice extends Notification implements ShouldQueue
{
    use Queueable;

    /** @param  list<string>  $channels */
    public function __construct(public string $text, public array $channels) {}

    /** @return list<string> */
    public function via(object $notifiable): array
    {
        return $this->channels;
    }

    public function shouldSend(object $notifiable, string $channel): bool
    {
        return $this->text !== 'held back';
    }

    /** @return array<string, string> */
    public function toArray(object $notifiable): array
    {
        return ['text' => $this->text];
    }

    public function toMail(object $notifiable): MailMessage
    {
        return (new MailMessage)->subject($this->text)->view('layout');
    }

    public function failed(Throwable $e): void
    {
        Recorder::did('failed of the notification', $e);
    }
}
