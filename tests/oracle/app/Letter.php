<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Mail\Mailable;
use RuntimeException;
use Throwable;

final class Letter extends Mailable implements ShouldQueue
{
    use Queueable;

    public int $tries = 2;

    public function __construct(public string $text) {}

    public function build(): void
    {
        $this->text !== 'unwritable' || throw new RuntimeException('cannot be written');

        $this->subject('A letter in '.app()->getLocale())->html("<p>{$this->text}</p>");
    }

    public function failed(Throwable $e): void
    {
        Recorder::did('failed of the mailable', $e);
    }
}
