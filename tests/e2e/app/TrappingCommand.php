<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Console\Command;
use Symfony\Component\Console\Command\SignalableCommandInterface;

/** Has Symfony trap some signals, and Laravel others, as long as it runs. */
final class TrappingCommand extends Command implements SignalableCommandInterface
{
    protected $signature = 'e2e:trap';

    public function handle(): int
    {
        $this->trap([SIGUSR1, SIGTERM], fn () => $this->line('trapped'));
        usleep(50_000);
        $this->line('went on');

        return 0;
    }

    /** @return list<int> */
    public function getSubscribedSignals(): array
    {
        return [SIGINT, SIGHUP];
    }

    public function handleSignal(int $signal, int|false $previousExitCode = 0): int|false
    {
        return 1;
    }
}
