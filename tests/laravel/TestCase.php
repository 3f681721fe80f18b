<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Container\Container;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Foundation\Application;
use Illuminate\Queue\Queue;
use Illuminate\Support\Facades\Facade;
use KQueue\Support\Laravel;
use KQueue\Testing\FakeEngine;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use PHPUnit\Framework\TestCase as BaseTestCase;

/** Each test has an application on an SQLite file and a fake engine. */
abstract class TestCase extends BaseTestCase
{
    public static FakeEngine $engine;

    protected Application $app;

    private static ?string $folder = null;

    /** @var array{callable|null, callable|null} */
    private array $handlers;

    public static function folder(): string
    {
        if (self::$folder === null) {
            self::$folder = sys_get_temp_dir().'/kqueue-tests-'.getmypid();
            mkdir(self::$folder.'/framework', recursive: true);

            foreach (['packages', 'services', 'config', 'routes', 'events'] as $cache) {
                $_ENV['APP_'.strtoupper($cache).'_CACHE'] = $_SERVER['APP_'.strtoupper($cache).'_CACHE'] = self::$folder."/{$cache}.php";
            }

            $owner = getmypid();
            register_shutdown_function(static function () use ($owner): void {
                if (getmypid() === $owner) {
                    exec('rm -rf '.escapeshellarg(self::$folder));
                }
            });
        }

        return self::$folder;
    }

    protected function setUp(): void
    {
        Recorder::reset();
        self::$engine = new FakeEngine;
        Laravel::forgetListeners();
        Queue::createPayloadUsing(null);
        array_map(unlink(...), glob(self::folder().'/{tests.sqlite*,laravel.log,framework/down}', GLOB_BRACE));
        exec('rm -rf '.escapeshellarg(self::folder().'/cache'));

        // Left behind by --quiet, before Symfony 7.4.
        putenv('SHELL_VERBOSITY');
        unset($_ENV['SHELL_VERBOSITY'], $_SERVER['SHELL_VERBOSITY']);

        // Laravel sets its own handlers when it boots; PHPUnit wants to find them as they were.
        $this->handlers = [set_error_handler(null), set_exception_handler(null)];

        $this->app = $this->boot();
        $this->createTables();
    }

    protected function tearDown(): void
    {
        $this->app->flush();
        Container::setInstance(null);
        Facade::setFacadeApplication(null);

        for ($i = 0; $i < 50; $i++) {
            restore_error_handler();
            restore_exception_handler();
        }

        set_error_handler($this->handlers[0]);
        set_exception_handler($this->handlers[1]);
    }

    protected function boot(): Application
    {
        $app = require __DIR__.'/app/bootstrap/app.php';
        $app->make(Kernel::class)->bootstrap();

        return $app;
    }

    /**
     * @param  array<string, mixed>  $options
     * @return array{int, string} the exit status and what was printed
     */
    protected function artisan(string $command, array $options = []): array
    {
        $kernel = $this->app->make(Kernel::class);
        $status = $kernel->call($command, $options);

        return [$status, $kernel->output()];
    }

    /**
     * Runs what is queued until nothing is left.
     *
     * @param  array<string, mixed>  $options
     */
    protected function kqueue(array $options = []): int
    {
        return $this->artisan('kqueue:run', $options + ['--stop-when-empty' => true, '--sleep' => 0, '--quiet' => true])[0];
    }

    protected function log(): string
    {
        return (string) @file_get_contents(self::folder().'/laravel.log');
    }

    /** @return list<object> */
    protected function failedJobs(): array
    {
        return $this->app['db']->table('failed_jobs')->get()->all();
    }

    private function createTables(): void
    {
        touch(self::folder().'/tests.sqlite');
        $schema = $this->app['db']->getSchemaBuilder();

        $schema->create('jobs', function (Blueprint $table): void {
            $table->id();
            $table->string('queue');
            $table->longText('payload');
            $table->unsignedTinyInteger('attempts');
            $table->unsignedInteger('reserved_at')->nullable();
            $table->unsignedInteger('available_at');
            $table->unsignedInteger('created_at');
        });

        $schema->create('failed_jobs', function (Blueprint $table): void {
            $table->id();
            $table->string('uuid');
            $table->text('connection');
            $table->text('queue');
            $table->longText('payload');
            $table->longText('exception');
            $table->timestamp('failed_at')->useCurrent();
        });

        $schema->create('job_batches', function (Blueprint $table): void {
            $table->string('id')->primary();
            $table->string('name');
            $table->integer('total_jobs');
            $table->integer('pending_jobs');
            $table->integer('failed_jobs');
            $table->longText('failed_job_ids');
            $table->mediumText('options')->nullable();
            $table->integer('cancelled_at')->nullable();
            $table->integer('created_at');
            $table->integer('finished_at')->nullable();
        });
    }
}
