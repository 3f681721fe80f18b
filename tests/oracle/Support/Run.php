<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\Support;

use Illuminate\Contracts\Console\Kernel;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Foundation\Application;
use Illuminate\Queue\Queue;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\Tables;
use KQueue\Tests\Oracle\App\OracleProvider;

/** One worker, run on stores of its own with the jobs of one case, or of several that share it. Played in a forked process. */
final class Run
{
    public const MODES = ['queue:work', 'inline', 'isolated'];

    private const SHARED = ['--stop-when-empty-for=1.5', '--sleep=0.05', '--json', '--tries=1', '--timeout=30'];

    /** @param  array<string, OracleCase>  $cases  by their queues */
    public function __construct(
        public readonly string $name,
        public readonly array $cases,
        public readonly string $connection,
        public readonly string $mode,
        public readonly bool $shared,
    ) {}

    /** @return array<string, mixed> what Snapshot makes of it */
    public function play(string $folder, int $redisPort, int $redisDatabase): array
    {
        $cases = $this->cases;
        $case = reset($cases);
        $app = $this->application($folder, $redisPort, $redisDatabase, $case);
        $scenes = [];

        foreach ($cases as $queue => $each) {
            ($each->before)($scenes[$queue] = new Scene($app, $each->byDefault ? 'default' : $queue, $folder));
        }

        $exits = $output = [];

        do {
            $worker = $this->start($case, implode(',', array_keys($this->cases)));
            reset($scenes)->worker = $worker;

            if (! $this->shared && $case->meanwhile !== null && $exits === []) {
                ($case->meanwhile)(reset($scenes));
            }

            if ($this->shared && ! Installed::has('--stop-when-empty-for')) {
                reset($scenes)->waitUntilQuiet(1.5);
                reset($scenes)->signal(SIGTERM);
            }

            $exits[] = $worker->wait();
            $output[] = $worker->output();
        } while ($case->restarted && end($exits) === 137 && count($exits) < 5);

        if ($case->after !== null) {
            ($case->after)(reset($scenes));
        }

        $record = reset($scenes)->record();

        if ($case->mayIdle) {
            $record = array_values(array_filter($record, static fn (array $entry): bool => ! str_starts_with($entry['what'], 'WorkerIdle')));
        }

        $snapshot = new Snapshot($app, $record, array_keys($this->cases));

        return $snapshot->take($exits, implode('', $output), $this->shared, $case->inOrder);
    }

    private function application(string $folder, int $redisPort, int $redisDatabase, OracleCase $case): Application
    {
        touch("{$folder}/e2e.sqlite");

        $environment = [
            'KQUEUE_TEST_FOLDER' => $folder,
            'KQUEUE_TEST_CONNECTION' => $this->connection,
            'KQUEUE_TEST_REDIS_PORT' => (string) $redisPort,
            'KQUEUE_TEST_PROVIDER' => OracleProvider::class,
            'ORACLE_REDIS_DATABASE' => (string) $redisDatabase,
            'ORACLE_CONFIG' => str_replace(['{folder}', '{port}', '{database}'], [$folder, $redisPort, $redisDatabase + 2000], json_encode((object) ($this->shared ? [] : $case->config), JSON_UNESCAPED_SLASHES)),
            'ORACLE_WIRING' => implode(',', $this->shared ? [] : $case->wiring),
            'ORACLE_MODE' => $this->mode,
            'COLUMNS' => '100',
            'APP_RUNNING_IN_CONSOLE' => 'true',
        ];

        foreach (['packages', 'services', 'config', 'routes', 'events'] as $cache) {
            $environment['APP_'.strtoupper($cache).'_CACHE'] = "{$folder}/{$cache}.php";
        }

        foreach ($environment as $name => $value) {
            $_ENV[$name] = $_SERVER[$name] = $value;
            putenv("{$name}={$value}");
        }

        Queue::createPayloadUsing(null);
        $app = require dirname(__DIR__, 2).'/e2e/app/bootstrap/app.php';
        $app->make(Kernel::class)->bootstrap();
        $this->createTables($app);

        return $app;
    }

    private function createTables(Application $app): void
    {
        $app['db']->statement('pragma synchronous = off');
        $schema = $app['db']->getSchemaBuilder();
        Tables::create($schema);

        $schema->create('cache', function (Blueprint $table): void {
            $table->string('key')->primary();
            $table->mediumText('value');
            $table->integer('expiration')->index();
        });

        $schema->create('cache_locks', function (Blueprint $table): void {
            $table->string('key')->primary();
            $table->string('owner');
            $table->integer('expiration')->index();
        });

        $schema->create('notifications', function (Blueprint $table): void {
            $table->uuid('id')->primary();
            $table->string('type');
            $table->morphs('notifiable');
            $table->text('data');
            $table->timestamp('read_at')->nullable();
            $table->timestamps();
        });
    }

    private function start(OracleCase $case, string $queues): Process
    {
        $arguments = str_replace('{queue}', $queues, $this->shared ? self::SHARED : $case->arguments);

        if (! Installed::has('--json')) {
            $arguments = str_replace('--json', '--quiet', $arguments);
        }

        if ($this->shared && ! Installed::has('--stop-when-empty-for')) {
            $arguments = array_values(preg_grep('/^--stop-when-empty-for=/', $arguments, PREG_GREP_INVERT));
        }

        if (! $case->byDefault && ! preg_grep('/^--queue=/', $arguments)) {
            $arguments[] = "--queue={$queues}";
        }

        if ($this->mode === 'queue:work') {
            $arguments = preg_grep('/^--(concurrency|isolated)=/', $arguments, PREG_GREP_INVERT);
        }

        $command = match ($this->mode) {
            'queue:work' => ['queue:work'],
            'inline' => ['kqueue:run'],
            'isolated' => ['kqueue:run', '--isolate'],
        };

        if ($this->mode !== 'queue:work' && $case->inOrder) {
            $command[] = '--concurrency=1';
        }

        if (! preg_grep('/ansi/', $arguments)) {
            $command[] = '--no-ansi';
        }

        return new Process([
            getenv('KQUEUE_PHP_BINARY') ?: PHP_BINARY, dirname(__DIR__, 2).'/e2e/app/artisan', ...$command, ...$arguments,
        ], $case->environment);
    }
}
