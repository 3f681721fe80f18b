<?php

declare(strict_types=1);

namespace KQueue\Process;

use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\WorkerOptions;
use KQueue\Application\Probe;
use KQueue\Application\Template;
use KQueue\Contracts\Engine;
use KQueue\Lane\Lane;
use KQueue\Output\RunConsole;
use KQueue\Support\Clock;
use KQueue\Support\Laravel;
use KQueue\Support\Settings;
use Symfony\Component\Console\Formatter\OutputFormatter;
use Symfony\Component\Console\Output\OutputInterface;
use Throwable;

/** What the runner process does: makes the template, runs the lanes, and tells of the signals that the worker as a whole has got. */
final class Runner
{
    /** PHP has the names only with pcntl. */
    private const SIGUSR2 = 12;

    private const SIGCONT = 18;

    /** How often --memory the jobs that run may have together. */
    private const MEMORY_TIMES = 4;

    private readonly WorkerOptions $options;

    /** Bytes of one copy of the application; null: lanes are not copied, and none takes more than the process has. */
    private ?int $lane = null;

    public function __construct(
        private readonly Application $app,
        private readonly Engine $engine,
        private readonly Settings $settings,
        private readonly OutputInterface $output,
    ) {
        $this->options = $settings->workerOptions();
    }

    /** @return int the exit status */
    public function __invoke(): int
    {
        try {
            return $this->run();
        } catch (Throwable $e) {
            // As artisan does with what a command throws; but this is another process than the command's.
            $handler = $this->app->make(ExceptionHandler::class);
            $handler->report($e);
            $handler->renderForConsole($this->output, $e);

            return 1;
        }
    }

    private function run(): int
    {
        ini_set('memory_limit', '-1');

        // Taken before the process had an application: lanes boot theirs.
        $boots = $this->engine->hasTemplate();
        $cloned = ! $boots && $this->settings->lanes !== 'booted' && $this->makeTemplate();

        if (! $boots && ! $cloned && Restart::isPossible($this->engine)) {
            return Restart::STATUS;
        }

        $settings = $this->settings
            ->withLanes($cloned, $this->settings->isolateAll || (! $boots && ! $cloned && $this->isolatesAll()))
            ->withMemoryFor($this->lane ?? memory_get_usage(), memory_get_usage());
        $this->limitMemory($settings);
        $settings = $settings->toArray();
        $process = Probe::of($this->app);

        $this->engine->run(
            static fn () => Lane::main($settings, $process),
            $this->settings->concurrency,
            $boots || $cloned,
            $this->settings->once ? null : $this->signalled(...),
            $this->told(...),
        );

        return $this->stopped();
    }

    /**
     * All lanes share PHP's limit, and whoever meets it ends the process. So it is far above --memory, which ends the runner when its jobs
     * have ended, and above what any single job may have, which the engine sees to.
     */
    private function limitMemory(Settings $settings): void
    {
        if ($settings->maxMemory > 0) {
            $most = self::MEMORY_TIMES * max((int) $settings->worker['memory'], memory_get_usage(true) >> 20) + $settings->maxMemory;
            ini_set('memory_limit', "{$most}M");
        }
    }

    /** @return bool whether lanes can be copied from it */
    private function makeTemplate(): bool
    {
        $audit = Template::take($this->app, $this->settings);

        if ($audit['refused'] !== []) {
            $this->warnOf($audit['refused']);

            return false;
        }

        $this->lane = $audit['bytes'];

        if ($this->output->isVerbose()) {
            $this->output->writeln(sprintf(
                '  Each lane copies %d objects, %d closures and %d arrays of the booted application (%d KB, %.2f ms).',
                $audit['objects'],
                $audit['closures'],
                $audit['arrays'],
                intdiv($audit['bytes'], 1024),
                $audit['seconds'] * 1000,
            ));

            foreach ($audit['destructors'] as $class) {
                $this->output->writeln("  {$class} has a destructor, which will run once for each lane.");
            }
        }

        return true;
    }

    /** A lane that boots in a process which has booted already lacks what PHP does once per process: no job may run in it. */
    private function isolatesAll(): bool
    {
        $message = 'KQueue runs every job isolated: lanes can neither be copied from this application nor boot it, since this process is not artisan kqueue:run itself.';

        $this->app->make('log')->warning($message);
        $this->output->writeln("<comment>{$message}</comment>");

        return true;
    }

    /** @param  list<string>  $refused */
    private function warnOf(array $refused): void
    {
        $message = 'KQueue boots the application once for each lane, since it holds what cannot be copied: '.implode('; ', $refused)
            .'. Make it when it is first used, list its class in config kqueue.shared, or set kqueue.lanes to "booted".';

        $this->app->make('log')->warning($message);
        $this->output->writeln("<comment>{$message}</comment>", OutputInterface::OUTPUT_NORMAL);
    }

    /** As queue:work's signal handlers: the engine has done already what the signal asks for. */
    private function signalled(int $signal): void
    {
        [$connection, $queue] = [$this->settings->connection, $this->settings->queue];

        try {
            $this->fire(match ($signal) {
                self::SIGUSR2 => Laravel::workerPausing($connection, $queue, $this->options),
                self::SIGCONT => Laravel::workerResuming($connection, $queue, $this->options),
                default => Laravel::workerInterrupted($signal, $connection, $queue, $this->options),
            });
        } catch (Throwable $e) {
            $this->app->make(ExceptionHandler::class)->report($e);
        }
    }

    /** What the engine has to say, of itself or of jobs that get into each other's way. */
    private function told(string $level, string $text): void
    {
        if ($level === 'info') {
            $this->output->writeln("  {$text}", OutputInterface::VERBOSITY_VERBOSE);

            return;
        }

        try {
            $this->app->make('log')->log($level, "KQueue: {$text}");
        } catch (Throwable $e) {
            $this->app->make(ExceptionHandler::class)->report($e);
        }

        $this->output->writeln('<comment>'.OutputFormatter::escape("KQueue: {$text}").'</comment>');
    }

    /** What the worker as a whole stops with is printed; the events are those of its lanes. */
    private function stopped(): int
    {
        $status = $this->engine->exitStatus();
        $ago = $this->engine->sinceLastFinished();

        if (! $this->settings->once) {
            $this->app->make(RunConsole::class)->stopped(Laravel::workerStopping(
                $status,
                $this->options,
                $this->engine->stopReason(),
                $this->engine->jobsReserved(),
                $ago === null ? null : Clock::now() - $ago,
                $this->settings->connection,
                $this->settings->queue,
            ));
        }

        return $status;
    }

    private function fire(?object $event): void
    {
        if ($event !== null) {
            $this->app->make('events')->dispatch($event);
        }
    }
}
