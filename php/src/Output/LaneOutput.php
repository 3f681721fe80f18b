<?php

declare(strict_types=1);

namespace KQueue\Output;

use KQueue\Contracts\LineWriter;
use Symfony\Component\Console\Output\Output;

/**
 * A lane's console: writes whole lines, so that those of several lanes do not mix, and holds no stream, so that it can be copied.
 */
final class LaneOutput extends Output
{
    private string $line = '';

    public function __construct(private readonly LineWriter $writer, int $verbosity, bool $decorated)
    {
        parent::__construct($verbosity, $decorated);
    }

    /** @param  string|iterable<string>  $messages */
    #[\Override]
    public function writeln(string|iterable $messages, int $options = self::OUTPUT_NORMAL): void
    {
        // The lines of jobs: many, and ready as they are.
        if ($options === self::OUTPUT_RAW && $this->line === '' && is_string($messages) && $this->getVerbosity() >= self::VERBOSITY_NORMAL) {
            $this->writer->write($messages.PHP_EOL);
        } else {
            parent::writeln($messages, $options);
        }
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

        $this->writer->write($lines);
    }
}
