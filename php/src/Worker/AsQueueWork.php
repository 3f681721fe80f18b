<?php

declare(strict_types=1);

namespace KQueue\Worker;

use Closure;
use Illuminate\Console\Events\CommandFinished;
use Illuminate\Console\Events\CommandStarting;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Foundation\Console\Kernel as FoundationKernel;
use Illuminate\Support\Carbon;
use KQueue\Output\RunConsole;
use Symfony\Component\Console\Input\ArgvInput;
use Symfony\Component\Console\Input\ArrayInput;
use Symfony\Component\Console\Input\InputArgument;
use Symfony\Component\Console\Input\InputDefinition;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * To the application, and to the packages that it is made of, the command that runs is queue:work: they ask for its name to know
 * whether they are in a worker, and record nothing, everything, or never, if it is another.
 */
final class AsQueueWork
{
    public const NAME = 'queue:work';

    private const OWN = 'kqueue:run';

    /** Before providers boot: some look at the command line then. */
    public static function introduce(Application $app): void
    {
        if (is_array($_SERVER['argv'] ?? null)) {
            $_SERVER['argv'] = self::renamed($_SERVER['argv'], 1);
        }

        if (is_array($GLOBALS['argv'] ?? null)) {
            $GLOBALS['argv'] = self::renamed($GLOBALS['argv'], 1);
        }

        // As the first listener, so that the others are told the name of the worker.
        $app->make('events')->listen([CommandStarting::class, CommandFinished::class], static function (object $event): void {
            if ($event->command === self::OWN) {
                $event->command = self::NAME;
                self::rename($event->input);
            }
        });
    }

    /**
     * In an application that no command of its own has started, what the kernel does and tells before a command runs.
     *
     * @param  array<string, mixed>  $input  the command's arguments and options
     */
    public static function begin(Application $app, array $input, OutputInterface $output): void
    {
        $kernel = $app->make(Kernel::class);

        if ($kernel instanceof FoundationKernel) {
            Closure::bind(static fn () => $kernel->commandStartedAt ??= Carbon::now(), null, FoundationKernel::class)();
        }

        // As the kernel, which tells it of no command in tests.
        if (! $app->runningUnitTests()) {
            $app->make('events')->dispatch(new CommandStarting(self::NAME, self::input($app, $input), $output));
        }
    }

    /**
     * What the kernel tells and does after the command has run; the callbacks of terminating() among it.
     *
     * @param  array<string, mixed>  $input  the command's arguments and options
     */
    public static function end(Application $app, array $input, OutputInterface $output, int $status): void
    {
        $input = self::input($app, $input);

        if (! $app->runningUnitTests()) {
            $app->make('events')->dispatch(new CommandFinished(self::NAME, $input, $output, $status));
        }

        $app->make(Kernel::class)->terminate($input, $status);
    }

    /** @param  array<string, mixed>  $input */
    private static function input(Application $app, array $input): InputInterface
    {
        $own = $app->make(RunConsole::class)->getNativeDefinition();

        return new ArrayInput(['command' => self::NAME] + $input, new InputDefinition([
            new InputArgument('command', InputArgument::REQUIRED),
            ...array_values($own->getArguments()),
            ...array_values($own->getOptions()),
        ]));
    }

    private static function rename(InputInterface $input): void
    {
        if ($input instanceof ArgvInput) {
            $renamed = self::renamed(...);
            Closure::bind(static fn () => $input->tokens = $renamed($input->tokens, 0), null, ArgvInput::class)();
        }

        if ($input->hasArgument('command')) {
            $input->setArgument('command', self::NAME);
        }
    }

    /**
     * @param  array<int, mixed>  $words  of a command line
     * @return array<int, mixed>
     */
    private static function renamed(array $words, int $first): array
    {
        foreach ($words as $place => $word) {
            if ($place >= $first && is_string($word) && ! str_starts_with($word, '-')) {
                return $word === self::OWN ? array_replace($words, [$place => self::NAME]) : $words;
            }
        }

        return $words;
    }
}
