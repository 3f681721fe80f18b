<?php

declare(strict_types=1);

namespace KQueue\Console;

use Symfony\Component\Console\Output\Output;

/**
 * A lane's console: writes whole lines, so that those of several lanes do not mix, and holds no stream, so that it can be copied.
 */
final class LaneOutput extends Output
{
    private string $line = '';

    public function __construct(int $verbosity, bool $decorated)
    {
        parent::__construct($verbosity, $decorated);
    }

    #[\Override]
    protected function doWrite(string $message, bool $newline): void
    {
        $this->line .= $message.($newline ? PHP_EOL : '');

        if (($end = strrpos($this->line, PHP_EOL)) === false) {
            return;
        }

        $lines = substr($this->line, 0, $end + strlen(PHP_EOL));
        $this->line = substr($this->line, $end + strlen(PHP_EOL));

        if (defined('STDOUT')) {
            fwrite(STDOUT, $lines);
        } else {
            file_put_contents('php://stdout', $lines);
        }
    }
}
