<?php

declare(strict_types=1);

namespace KQueue\Application;

use Closure;
use Illuminate\Container\Container;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Worker;
use KQueue\Connections\LimitedConnector;
use KQueue\Connections\OpenConnections;
use KQueue\Contracts\Engine;
use KQueue\Output\LaneOutput;
use KQueue\Output\RunConsole;
use KQueue\Support\Settings;
use KQueue\Worker\AsQueueWork;
use KQueue\Worker\LaneWorker;
use Laravel\SerializableClosure\Support\ClosureStream;
use Symfony\Component\VarDumper\Dumper\CliDumper;
use Symfony\Component\VarDumper\Dumper\HtmlDumper;

/**
 * What lanes are copied from: the process as it is where queue:work would enter its loop, with a worker, no job ever run in it. What
 * PHP does once per process (files that are required once, what class files do as they are loaded) is in it, as it is after a fork.
 *
 * Nothing in it may hold an open connection, a resource or a generator; what it holds is copied for each lane.
 */
final class Template
{
    /** What every job needs is made here once, rather than in each lane. */
    private const RESOLVED = ['queue', 'db', 'redis', 'cache', 'log', 'queue.failer', 'Illuminate\Contracts\Bus\Dispatcher'];

    /**
     * Classes of Laravel and Symfony whose objects lanes share: files found by name, and what writes to the standard streams, of
     * which a process has one each.
     */
    public const SHARED = [
        'Symfony\Component\Finder\SplFileInfo',
        'Symfony\Component\Console\Output\StreamOutput',
        'Symfony\Component\VarDumper\Dumper\AbstractDumper',
    ];

    /**
     * Makes the process, with its booted application, what lanes are copied from.
     *
     * @return array<string, mixed> what the engine found in it, see Engine::template()
     */
    public static function take(Application $app, Settings $settings): array
    {
        $engine = $app->make(Engine::class);
        self::prepare($app, $settings);

        return $app->make(RunConsole::class)->writingTo(
            self::output($engine, $settings),
            static fn (): array => $engine->template(null, [...self::SHARED, ...$settings->shared]),
        );
    }

    /**
     * A lane's own application, where the process's cannot be copied.
     *
     * @param  array<string, mixed>  $settings
     */
    public static function boot(array $settings): Application
    {
        $settings = Settings::fromArray($settings);
        $app = self::application($settings->bootstrap);

        $app->make(Kernel::class)->bootstrap();
        $output = self::output($app->make(Engine::class), $settings);
        AsQueueWork::begin($app, $settings->input, $output);
        self::prepare($app, $settings);
        $app->make(RunConsole::class)->listenInLane($settings->input, $output);

        return $app;
    }

    private static function prepare(Application $app, Settings $settings): void
    {
        LimitedConnector::install($app, $settings->maxConnections);
        $app->instance('queue.worker', self::worker($app, $settings));
        self::settle($app);
    }

    private static function output(Engine $engine, Settings $settings): LaneOutput
    {
        return new LaneOutput($engine, $settings->verbosity, $settings->decorated);
    }

    /** Makes what every job needs, and closes what cannot be copied. */
    public static function settle(Application $app): Application
    {
        foreach (self::RESOLVED as $service) {
            if ($app->bound($service)) {
                $app->make($service);
            }
        }

        if ($app->make('config')->get('app.key')) {
            $app->make('encrypter');
        }

        OpenConnections::close($app);
        self::closeDumpers();
        self::registerClosureStream();

        return $app;
    }

    /** The first dumper that was made left its open stream as the default of the next. */
    private static function closeDumpers(): void
    {
        if (class_exists(CliDumper::class, false)) {
            CliDumper::$defaultOutput = 'php://stdout';
        }

        if (class_exists(HtmlDumper::class, false)) {
            HtmlDumper::$defaultOutput = 'php://output';
        }
    }

    /** A fresh application: the file makes a new one each time it is run. */
    public static function application(string $bootstrap): Application
    {
        $app = (static fn () => require $bootstrap)();

        Container::setInstance($app);

        return $app;
    }

    /**
     * A stream wrapper belongs to the process, the property that says whether it is registered to the lane: without this, each
     * lane but one would fail to unserialize closures (batch callbacks, queued closures).
     */
    private static function registerClosureStream(): void
    {
        if (in_array(ClosureStream::STREAM_PROTO, stream_get_wrappers(), true)) {
            Closure::bind(static fn () => ClosureStream::$isRegistered = true, null, ClosureStream::class)();
        } elseif (class_exists(ClosureStream::class)) {
            ClosureStream::register();
        }
    }

    private static function worker(Application $app, Settings $settings): Worker
    {
        $databases = $app->bound('db') ? $app->make('db') : null;

        return LaneWorker::from($app->make('queue.worker'), $app->make(Engine::class), $databases)
            ->setName($settings->workerOptions()->name)
            ->setCache($app->make('cache.store'));
    }
}
