<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Closure;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\ServiceProvider;
use RuntimeException;

/**
 * Real packages, from the checkouts in KQUEUE_TEST_PACKAGES (a folder for each, by its repository's name): how each is set up in this
 * application, what a job does with it, and what it leaves. KQUEUE_TEST_PACKAGE names the one that is tried.
 */
final class Packages extends ServiceProvider
{
    /**
     * Each has its provider, or null; further, if it needs them: `extensions` of PHP; `with` (checkouts whose Composer `files` it wants); `environment`; `loaded`, after all `files`; `config`;
     * `register`; `migrations` and `tables`; `push` and `pushed`, before and after each job is queued; `job`, in each job; and `left`, what is compared.
     *
     * @return array<string, array{0: ?class-string, extensions?: list<string>, with?: list<string>, environment?: array<string, string>, loaded?: Closure, config?: array<string, mixed>, migrations?: list<string>, tables?: Closure, register?: Closure, push?: Closure, pushed?: Closure, job?: Closure, left: Closure(): array<string, int>}>
     */
    public static function all(): array
    {
        $groups = static fn (string $table, string $column = 'type', string $sum = 'count(*)'): array => array_map(intval(...), DB::table($table)
            ->selectRaw("{$column} as kind, {$sum} as number")->groupBy($column)->orderBy($column)->pluck('number', 'kind')->all());

        return PackageJobs::all() + [
            'telescope' => ['Laravel\Telescope\TelescopeServiceProvider',
                'migrations' => ['database/migrations/*'],
                // Without the queue's own queries: in front of an isolated job they are its lane's.
                'left' => static fn (): array => $groups('telescope_entries', 'type', "sum(type <> 'query' or content not like '%jobs%')") + ['updates' => DB::table('jobs')->count()],
            ],
            'pulse' => ['Laravel\Pulse\PulseServiceProvider',
                'config' => ['pulse.recorders.Laravel\Pulse\Recorders\SlowJobs.threshold' => 0, 'pulse.ingest.trim.lottery' => [0, 1]],
                'migrations' => ['database/migrations/*'],
                'left' => static fn (): array => $groups('pulse_entries') + ['aggregated' => (int) DB::table('pulse_aggregates')->where(['aggregate' => 'count', 'period' => 60])->sum('count')],
            ],
            'nightwatch' => ['Laravel\Nightwatch\NightwatchServiceProvider',
                'register' => static function (Application $app): void {
                    $app->make('Laravel\Nightwatch\Core')->ingest = new NightwatchFile;
                },
                'left' => static fn (): array => NightwatchFile::counts(),
            ],
            'laravel-activitylog' => ['Spatie\Activitylog\ActivitylogServiceProvider',
                'config' => ['activitylog.buffer.enabled' => true],
                'migrations' => ['database/migrations/create_activity_log_table.php.stub'],
                'job' => static fn () => activity()->log('done'),
                'left' => static fn (): array => $groups('activity_log', 'description'),
            ],
            'laravel-permission' => ['Spatie\Permission\PermissionServiceProvider',
                'migrations' => ['database/migrations/create_permission_tables.php.stub'],
                'job' => static fn (int $number) => ('Spatie\Permission\Models\Role')::findOrCreate('role '.$number % 7, 'web')->givePermissionTo(('Spatie\Permission\Models\Permission')::findOrCreate('may '.$number, 'web')),
                'left' => static fn (): array => ['roles' => DB::table('roles')->count(), 'permissions' => DB::table('permissions')->count(), 'given' => DB::table('role_has_permissions')->count()],
            ],
            'laravel-multitenancy' => ['Spatie\Multitenancy\MultitenancyServiceProvider',
                'config' => [
                    'multitenancy.tenant_model' => 'Spatie\Multitenancy\Models\Tenant',
                    'multitenancy.landlord_database_connection_name' => 'sqlite',
                    'multitenancy.switch_tenant_tasks' => ['Spatie\Multitenancy\Tasks\PrefixCacheTask'],
                ],
                'migrations' => ['database/migrations/landlord/create_landlord_tenants_table.php.stub'],
                'push' => static function (int $number): void {
                    $tenants = 'Spatie\Multitenancy\Models\Tenant';
                    $name = 'tenant '.$number % 3;
                    ($tenants::firstWhere('name', $name) ?? $tenants::forceCreate(['name' => $name, 'domain' => $name, 'database' => $name]))->makeCurrent();
                },
                'job' => static fn () => file_put_contents(getenv('KQUEUE_TEST_FOLDER').'/tenants', app('currentTenant')->name.' '.config('cache.prefix')."\n", FILE_APPEND),
                'left' => static function (): array {
                    $counts = array_count_values(array_map(trim(...), @file(getenv('KQUEUE_TEST_FOLDER').'/tenants') ?: []));
                    ksort($counts);

                    return $counts;
                },
            ],
            'sentry-laravel' => ['Sentry\Laravel\ServiceProvider',
                'with' => ['sentry-php'],
                'config' => ['sentry.dsn' => 'http://key@127.0.0.1:1/1', 'sentry.traces_sample_rate' => 1.0, 'sentry.before_send' => [SentryFile::class, 'event'], 'sentry.before_send_transaction' => [SentryFile::class, 'transaction']],
                'left' => static fn (): array => SentryFile::counts(),
            ],
        ];
    }

    public static function folder(string $package): ?string
    {
        $folder = getenv('KQUEUE_TEST_PACKAGES').'/'.$package;

        return getenv('KQUEUE_TEST_PACKAGES') && is_dir($folder) ? $folder : null;
    }

    /** What Composer would do for all of them. */
    public static function load(): void
    {
        $package = self::current();
        // Some read it while they are registered.
        $environment = ['DB_CONNECTION' => 'sqlite'] + ($package['environment'] ?? []);

        foreach ($environment as $name => $value) {
            putenv("{$name}={$value}");
            $_SERVER[$name] = $value;
        }

        $files = [];

        foreach (glob(getenv('KQUEUE_TEST_PACKAGES').'/*/composer.json') as $file) {
            $autoload = json_decode((string) file_get_contents($file), true)['autoload'] ?? [];

            foreach (['psr-4', 'psr-0'] as $standard) {
                foreach ($autoload[$standard] ?? [] as $namespace => $folders) {
                    self::autoload($namespace, array_map(static fn (string $folder): string => dirname($file).'/'.rtrim($folder, '/'), (array) $folders), $standard === 'psr-0');
                }
            }

            self::classmap(array_map(static fn (string $folder): string => dirname($file).'/'.rtrim($folder, '/'), $autoload['classmap'] ?? []));

            if (in_array(basename(dirname($file)), [getenv('KQUEUE_TEST_PACKAGE'), ...$package['with'] ?? []], true)) {
                array_push($files, ...array_map(static fn (string $name): string => dirname($file).'/'.$name, $autoload['files'] ?? []));
            }
        }

        foreach ($files as $file) {
            require_once $file;
        }

        ($package['loaded'] ?? static fn () => null)();
    }

    /** @param  list<string>  $folders */
    private static function classmap(array $folders): void
    {
        $map = [];

        foreach ($folders as $folder) {
            foreach (glob("{$folder}/*.php") as $file) {
                preg_match_all('/^(?:abstract |final )?class (\w+)/m', (string) file_get_contents($file), $matches);
                $map += array_fill_keys($matches[1], $file);
            }
        }

        $map === [] || spl_autoload_register(static function (string $class) use ($map): void {
            isset($map[$class]) && require $map[$class];
        });
    }

    /** @return array<array-key, mixed> the package that is tried */
    private static function current(): array
    {
        return self::all()[getenv('KQUEUE_TEST_PACKAGE')];
    }

    /** @param  list<string>  $folders */
    private static function autoload(string $namespace, array $folders, bool $whole): void
    {
        spl_autoload_register(static function (string $class) use ($namespace, $folders, $whole): void {
            foreach (str_starts_with($class, $namespace) ? $folders : [] as $folder) {
                $file = $folder.'/'.str_replace('\\', '/', $whole ? $class : substr($class, strlen($namespace))).'.php';

                if (is_file($file)) {
                    require $file;

                    return;
                }
            }
        });
    }

    public function register(): void
    {
        $package = self::current();
        $package[0] === null || $this->app->register($package[0]);
        $config = $this->app['config'];

        foreach ($package['config'] ?? [] as $key => $value) {
            $config->set($key, $value);
        }

        isset($package['register']) && $package['register']($this->app);
    }

    /** The tables that the package wants. */
    public static function migrate(): void
    {
        $package = (string) getenv('KQUEUE_TEST_PACKAGE');

        foreach (self::current()['migrations'] ?? [] as $pattern) {
            foreach (glob(self::folder($package).'/'.$pattern) as $file) {
                $migration = require $file;
                (is_object($migration) ? $migration : new (self::classIn($file)))->up();
            }
        }

        (self::current()['tables'] ?? static fn () => null)();
    }

    /** The class of a migration that has a name. */
    private static function classIn(string $file): string
    {
        preg_match('/^class (\w+)/m', (string) file_get_contents($file), $match);

        return $match[1];
    }

    /** Before and after this job is queued. */
    public static function push(int $number, Closure $push): void
    {
        (self::current()['push'] ?? static fn () => null)($number);
        $push();
        (self::current()['pushed'] ?? static fn () => null)($number);
    }

    /** What a job of the matrix does: something for everybody to record. */
    public static function work(int $number): void
    {
        Cache::put("job {$number}", $number, 60);
        Cache::get("job {$number}") === $number || throw new RuntimeException('The cache has forgotten.');
        Cache::get("nothing {$number}");
        DB::select('select ?', [$number]);
        usleep(5_000);
        Log::warning("Job {$number}");
        (self::current()['job'] ?? static fn () => null)($number);
        $number % 10 === 0 && throw new RuntimeException("Job {$number} fails.");
    }
}
