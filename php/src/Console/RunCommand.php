<?php

declare(strict_types=1);

namespace KQueue\Console;

use Illuminate\Console\OutputStyle;
use Illuminate\Contracts\Cache\Repository as Cache;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Console\WorkCommand;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Queue\Worker;
use Illuminate\Support\Stringable;
use KQueue\Child\ChildWorker;
use KQueue\Connections\OpenConnections;
use KQueue\Contracts\Engine;
use KQueue\Contracts\ProgramRestart;
use KQueue\Exception\InvalidOption;
use KQueue\Isolation\Profile;
use KQueue\Output\JobOutput;
use KQueue\Output\LaneOutput;
use KQueue\Output\RunConsole;
use KQueue\Process\LostJobs;
use KQueue\Process\ProcessLimits;
use KQueue\Process\Restart;
use KQueue\Process\Runner;
use KQueue\Process\ServerLimits;
use KQueue\Support\Clock;
use KQueue\Support\Config;
use KQueue\Support\Laravel;
use KQueue\Support\Settings;
use KQueue\Worker\LaneWorker;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Input\ArrayInput;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Terminal;
use Throwable;

/**
 * Takes the place of queue:work: the same arguments, options, output and exit statuses, and many jobs at once.
 *
 * Of WorkCommand it uses listenForEvents(), gatherWorkerOptions(), getQueue() and downForMaintenance(), and overrides
 * writeOutput(), logFailedJob(), writeStopReason() and outputUsingJson(), which are the same from Laravel 10 to 13.31; its options are those of the installed version.
 */
#[AsCommand(name: 'kqueue:run')]
final class RunCommand extends WorkCommand implements RunConsole
{
    /** Megabytes for Laravel itself, and for each lane beside it, if --memory is not given. */
    private const MEMORY = 128;

    private const MEMORY_PER_LANE = 2;

    private const NOT_A_QUEUE = ['sync', 'null', 'background', 'deferred', 'failover'];

    protected $description = 'Run the jobs on the queue, many at once, in one process';

    private readonly Engine $engine;

    private ?JobOutput $lines = null;

    public function __construct(Worker $worker, Cache $cache, Engine $engine)
    {
        parent::__construct($worker, $cache);

        $this->engine = $engine;
        $this->setName($this->name = 'kqueue:run');
        $this->addOwnOptions();
    }

    public function handle(): int
    {
        try {
            $connection = $this->checkedConnection();
            $settings = $this->settings($connection, $this->getQueue($connection));
        } catch (InvalidOption $e) {
            $this->error($e->getMessage());

            return self::FAILURE;
        }

        if ($this->downForMaintenance() && $this->option('once')) {
            $this->worker->sleep($this->option('sleep'));

            return self::SUCCESS;
        }

        $this->listenForEvents();

        // Otherwise all of this has been said, before the program was started anew.
        if (! $this->engine->hasTemplate()) {
            $this->announce($settings->queue);
            $this->warnOfLimits($settings);
        }

        $this->closeImage();
        $status = $this->supervise($settings);

        if ($status === Restart::STATUS && $this->engine instanceof ProgramRestart) {
            Restart::now($this->engine);
        }

        return $status;
    }

    /**
     * In a lane: registers the listeners that print each job's lines and write failed jobs, on this command's application.
     *
     * @param  array<string, mixed>  $input
     */
    public function listenInLane(array $input, LaneOutput $output): void
    {
        $this->setLaravel(app());
        $this->setInput(new ArrayInput($input, $this->getDefinition()));
        $this->writeTo($output);
        $this->listenForEvents();
    }

    /**
     * Calls something while this command writes as it does in lanes.
     *
     * @template T
     *
     * @param  callable(): T  $callback
     * @return T
     */
    public function writingTo(LaneOutput $output, callable $callback): mixed
    {
        [$own, $lines] = [$this->output, $this->lines];
        $this->writeTo($output);

        try {
            return $callback();
        } finally {
            $this->setOutput($own);
            $this->lines = $lines;
        }
    }

    private function writeTo(LaneOutput $output): void
    {
        $this->setOutput(new OutputStyle($this->input, $output));
        $this->lines = null;

        // Here and not in each lane: it asks the terminal for its width.
        $this->lines();
    }

    /** The lines that this command prints of jobs. */
    public function lines(): JobOutput
    {
        return $this->lines ??= new JobOutput($this->output->getOutput(), (bool) $this->outputUsingJson(), $this->laravel->make('config'));
    }

    /**
     * @param  string  $status
     */
    #[\Override]
    protected function writeOutput(Job $job, $status, ?Throwable $exception = null)
    {
        $status === 'starting' ? $this->lines()->begin($job) : $this->lines()->end($job, $status, $exception);
    }

    /** The job is deleted from its queue by now: it must not get lost for want of a descriptor. */
    #[\Override]
    protected function logFailedJob(JobFailed $event)
    {
        $worker = $this->laravel->make('queue.worker');

        if ($worker instanceof LaneWorker) {
            $worker->settle(fn () => parent::logFailedJob($event));
        } else {
            parent::logFailedJob($event);
        }
    }

    /**
     * The run stops, and says so once: each lane's application has a worker of its own that stops.
     */
    public function stopped(WorkerStopping $event): void
    {
        // Since Laravel 13.
        if (method_exists(parent::class, 'writeStopReason')) {
            parent::writeStopReason($event);
        }
    }

    /** @return void */
    protected function writeStopReason(WorkerStopping $event) {}

    /**
     * As the parent's, which Laravel 10 does not have; nor has it the option.
     *
     * @return bool
     */
    protected function outputUsingJson()
    {
        return $this->hasOption('json') && $this->option('json');
    }

    private function addOwnOptions(): void
    {
        $this->addOption('concurrency', null, InputOption::VALUE_REQUIRED, 'The number of jobs to run at once (default: config kqueue.concurrency, 50)');
        $this->addOption('isolated', null, InputOption::VALUE_REQUIRED, 'The number of isolated jobs to run at once (default: config kqueue.isolated, the number of CPU cores that it may use)');
        $this->addOption('isolate', null, InputOption::VALUE_NONE, 'Run every job isolated, in a process of its own');

        $this->addOption('fresh', null, InputOption::VALUE_NONE, 'Run every job in a pristine lane: nothing that a job changes is seen by the next');

        $definition = $this->getDefinition();
        $options = $definition->getOptions();
        $options['memory'] = new InputOption('memory', null, InputOption::VALUE_OPTIONAL, sprintf(
            'The memory limit in megabytes, for all jobs together (default: %d + %d per concurrent job, and what the application and its copies take)', self::MEMORY, self::MEMORY_PER_LANE,
        ));
        $definition->setOptions($options);
    }

    /** @return string its name */
    private function checkedConnection(): string
    {
        if (! $this->engine->available()) {
            throw InvalidOption::noExtension();
        }

        $config = $this->laravel->make('config');
        $name = $this->argument('connection') ?: $config->get('queue.default');
        $known = $config->get('queue.connections', []);
        $driver = $name === 'null' ? 'null' : $known[$name]['driver'] ?? null;

        if ($driver === null) {
            throw InvalidOption::unknownConnection((string) $name, array_keys($known));
        }

        if (in_array($driver, self::NOT_A_QUEUE, true)) {
            $others = $driver === 'failover' ? array_intersect_key($known, array_flip($known[$name]['connections'])) : $known;

            throw InvalidOption::notAQueue($name, $driver, self::realQueues($others));
        }

        return $name;
    }

    /**
     * @param  array<string, array<string, mixed>>  $connections
     * @return list<string> the names of those that keep jobs
     */
    private static function realQueues(array $connections): array
    {
        return array_keys(array_filter($connections, static fn (array $connection): bool => ! in_array($connection['driver'] ?? 'null', self::NOT_A_QUEUE, true)));
    }

    private function settings(string $connection, string $queue): Settings
    {
        foreach (['delay', 'max-jobs', 'max-time', 'memory', 'sleep', 'rest', 'timeout', 'tries', 'stop-when-empty-for'] as $option) {
            $this->checkNumber($option, '/^-?\d+(\.\d+)?$/', 'a number');
        }

        $this->checkNumber('backoff', '/^\d+(,\d+)*$/', 'a number of seconds, or several separated by commas');

        $config = Config::of($this->laravel);
        $concurrency = $this->integer('concurrency', $config['concurrency'], Settings::MOST_LANES);
        $isolated = $this->integer('isolated', $config['isolated'] ?? $this->engine->cores(), Settings::MOST_ISOLATED);
        // More lanes than processes would only hold jobs that wait, while their reservation runs out.
        $concurrency = $this->option('isolate') ? min($concurrency, $isolated) : $concurrency;
        $worker = get_object_vars($this->gatherWorkerOptions());
        $worker['memory'] = $this->option('memory') ?? self::MEMORY + self::MEMORY_PER_LANE * $concurrency;

        return new Settings(
            bootstrap: $this->laravel->bootstrapPath('app.php'),
            connection: $connection,
            queue: $queue,
            worker: $worker,
            input: $this->inputForLanes(),
            once: (bool) $this->option('once'),
            concurrency: $this->option('once') ? 1 : $concurrency,
            lanes: $this->lanes($config['lanes']),
            shared: $config['shared'],
            isolated: $isolated,
            isolateAll: (bool) $this->option('isolate'),
            isolate: $config['isolate'],
            maxMemory: (int) $config['max_memory'],
            grace: (float) $config['grace'],
            childJobs: (int) $config['child_jobs'],
            verbosity: $this->output->getVerbosity(),
            decorated: $this->output->isDecorated(),
            restartedAt: Laravel::isRestartable() ? $this->cache->get('illuminate:queue:restart') : null,
            startedAt: Clock::now(),
            memoryGiven: $this->option('memory') !== null,
            fresh: $this->option('fresh') || (bool) $config['fresh'],
            autoSlice: (float) $config['auto']['slice'],
            autoMemory: (int) $config['auto']['memory'],
            idleConnections: (float) $config['connections']['idle'],
            maxConnections: $this->limits($config['connections']['max']),
            flush: (float) $config['flush'],
        );
    }

    private function checkNumber(string $option, string $pattern, string $wanted): void
    {
        $value = $this->hasOption($option) ? $this->option($option) : null;

        if ($value !== null && ! preg_match($pattern, (string) $value)) {
            throw InvalidOption::notANumber($option, (string) $value, $wanted);
        }
    }

    private function integer(string $option, int|string $default, int $most): int
    {
        $value = filter_var($this->option($option) ?? $default, FILTER_VALIDATE_INT);

        if ($value === false || $value < 1 || $value > $most) {
            throw InvalidOption::notANumber($option, (string) ($this->option($option) ?? $default), "a whole number from 1 to {$most}");
        }

        return $value;
    }

    /**
     * @param  array<string, int|string>  $limits
     * @return array<string, int>
     */
    private function limits(array $limits): array
    {
        $known = $this->laravel->make('config')->get('database.connections', []);

        foreach ($limits as $name => $limit) {
            if (! isset($known[$name])) {
                throw InvalidOption::unknownDatabase((string) $name, array_keys($known));
            }

            if (filter_var($limit, FILTER_VALIDATE_INT) === false || $limit < 1) {
                throw InvalidOption::notALimit($name, (string) $limit);
            }
        }

        return array_map(intval(...), $limits);
    }

    private function lanes(string $value): string
    {
        return in_array($value, ['auto', 'cloned', 'booted'], true) ? $value : throw InvalidOption::unknownLanes($value);
    }

    /** @return array<string, mixed> */
    private function inputForLanes(): array
    {
        $own = $this->getNativeDefinition()->getOptions();
        $input = ['connection' => $this->argument('connection')];

        foreach (array_intersect_key($this->options(), $own) as $name => $value) {
            $input["--{$name}"] = $value;
        }

        return array_filter($input, static fn (mixed $value): bool => $value !== null && $value !== false);
    }

    /** The line that queue:work begins with, under the same conditions. */
    private function announce(string $queue): void
    {
        if (! $this->outputUsingJson() && Terminal::hasSttyAvailable()) {
            $this->components->info(
                sprintf('Processing jobs from the [%s] %s.', $queue, (new Stringable('queue'))->plural(explode(',', $queue)))
            );
        }
    }

    private function warnOfLimits(Settings $settings): void
    {
        foreach ([...(new ProcessLimits)->warnings($settings), ...(new ServerLimits($this->laravel))->warnings($settings)] as $warning) {
            if ($this->outputUsingJson()) {
                $this->laravel->make('log')->warning($warning);
            } else {
                $this->components->warn($warning);
            }
        }
    }

    private function closeImage(): void
    {
        foreach (OpenConnections::close($this->laravel) as $closed) {
            $this->line("  Closed what booting the application had opened: {$closed}.", null, 'v');
        }
    }

    private function supervise(Settings $settings): int
    {
        $options = $settings->workerOptions();
        $databases = $this->laravel->bound('db') ? $this->laravel->make('db') : null;
        $worker = LaneWorker::from($this->worker, null, $databases)->setName($options->name)->setCache($this->cache);

        $this->laravel->instance('queue.worker', $worker);

        return $this->engine->supervise(
            [
                'isolated' => $settings->isolated,
                'memory_limit' => $settings->maxMemory,
                'grace' => $settings->grace,
                'child_jobs' => $settings->childJobs,
                'flush' => $settings->flush,
            ],
            new Runner($this->laravel, $this->engine, $settings, $this->output),
            new ChildWorker($this->laravel, $this->engine, $worker, $settings),
            new LostJobs($this->laravel, $worker, $options, $settings->autoSlice > 0 || $settings->autoMemory > 0 ? Profile::in($this->laravel, $this->cache) : null),
        );
    }
}
