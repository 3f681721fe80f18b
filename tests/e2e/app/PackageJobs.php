<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;
use KQueue\Tests\E2E\App\Packaged\Album;
use KQueue\Tests\E2E\App\Packaged\AtOnce;
use KQueue\Tests\E2E\App\Packaged\Post;
use KQueue\Tests\E2E\App\Packaged\SearchTable;
use KQueue\Tests\E2E\App\Packaged\Shop;
use KQueue\Tests\E2E\App\Packaged\SpanFile;
use RuntimeException;

/** Real packages that jobs use, or whose own jobs are run: those of Packages::all() that need classes of this application's own. */
final class PackageJobs
{
    /** @return array<string, array<string, mixed>> as in Packages::all() */
    public static function all(): array
    {
        return [
            'scout' => self::scout(),
            'laravel-medialibrary' => self::medialibrary(),
            'laravel-webhook-server' => self::webhooks(),
            'laravel-backup' => self::backup(),
            'tenancy' => self::tenancy(),
            'opentelemetry-php' => self::telemetry(),
            'nusoap' => self::soap(),
        ];
    }

    /** @return array<string, mixed> */
    private static function scout(): array
    {
        return ['Laravel\Scout\ScoutServiceProvider',
            'config' => ['scout.driver' => 'table', 'scout.queue' => true],
            'register' => static fn (Application $app) => $app->afterResolving('Laravel\Scout\EngineManager', static fn ($engines) => $engines->extend('table', static fn () => new SearchTable)),
            'tables' => static function (): void {
                foreach (['posts', 'search_index'] as $table) {
                    Schema::create($table, static function ($columns): void {
                        $columns->id();
                        $columns->string('title');
                    });
                }
            },
            // To be taken out of the index.
            'push' => static function (int $number): void {
                DB::table('posts')->insert(['id' => $number, 'title' => "old {$number}"]);
                DB::table('search_index')->insert(['id' => $number, 'title' => "old {$number}"]);
            },
            'job' => static function (int $number): void {
                Post::create(['title' => "new {$number}"]);
                Post::search("old {$number}")->get()->firstWhere('title', "old {$number}")->delete();
            },
            'left' => static fn (): array => [
                'posts' => DB::table('posts')->count(),
                'old' => DB::table('search_index')->where('title', 'like', 'old%')->count(),
                'new' => DB::table('search_index')->where('title', 'like', 'new%')->count(),
                'different' => DB::table('search_index')->distinct()->count('title'),
            ],
        ];
    }

    /** @return array<string, mixed> */
    private static function medialibrary(): array
    {
        return ['Spatie\MediaLibrary\MediaLibraryServiceProvider',
            'extensions' => ['gd'],
            'config' => ['filesystems.disks.public' => ['driver' => 'local', 'root' => self::folder('public'), 'throw' => true], 'media-library.queue_connection_name' => ''],
            'migrations' => ['database/migrations/*'],
            'tables' => static fn () => Schema::create('albums', static fn ($columns) => $columns->id()),
            'job' => static function (int $number): void {
                $picture = imagecreatetruecolor(64, 32);
                imagefill($picture, 0, 0, imagecolorallocate($picture, $number % 256, 0, 128));
                imagepng($picture, $file = self::folder("picture {$number}.png"));
                Album::create()->addMedia($file)->toMediaCollection();
            },
            'left' => static function (): array {
                $left = ['rows' => DB::table('media')->count(), 'converted' => DB::table('media')->where('generated_conversions->small', true)->count()];

                foreach (glob(self::folder('public/*/{*,conversions/*}.*'), GLOB_BRACE) as $file) {
                    [$width, $height] = getimagesize($file);
                    $left["{$width} x {$height}"] = ($left["{$width} x {$height}"] ?? 0) + 1;
                    $left[sha1_file($file)] = ($left[sha1_file($file)] ?? 0) + 1;
                }

                ksort($left);

                return $left;
            },
        ];
    }

    /** @return array<string, mixed> */
    private static function webhooks(): array
    {
        return ['Spatie\WebhookServer\WebhookServerServiceProvider',
            'job' => static fn (int $number) => ('Spatie\WebhookServer\WebhookCall')::create()
                ->url(getenv('KQUEUE_TEST_SERVER').($number % 7 === 0 ? '/refused/' : '/taken/')."{$number}?folder=".urlencode(self::folder()))
                ->payload(['number' => $number])->useSecret('secret')->maximumTries(2)->useBackoffStrategy(AtOnce::class)->dispatch(),
            'left' => static fn (): array => self::lines('requests'),
        ];
    }

    /** @return array<string, mixed> */
    private static function backup(): array
    {
        return ['Spatie\Backup\BackupServiceProvider',
            'extensions' => ['zip'],
            'config' => ['filesystems.disks.local' => ['driver' => 'local', 'root' => self::folder('backups'), 'throw' => true]],
            'job' => static function (int $number): void {
                // Two backups at once of one application would write to one temporary folder.
                $config = config('backup');
                $config['backup']['temporary_directory'] = self::folder("temporary {$number}");
                $config['backup']['source']['files'] = ['include' => [__DIR__.'/config'], 'relative_path' => __DIR__] + $config['backup']['source']['files'];
                config(['backup.backup.temporary_directory' => $config['backup']['temporary_directory'], 'backup-here' => $config]);
                $status = Artisan::call('backup:run', ['--only-files' => true, '--disable-notifications' => true, '--filename' => "{$number}.zip", '--config' => 'backup-here']);
                $status === 0 || throw new RuntimeException("The backup has failed:\n".Artisan::output());
            },
            'left' => static function (): array {
                $left = ['temporary' => count(glob(self::folder('temporary *')))];

                foreach (glob(self::folder('backups/*/*.zip')) as $file) {
                    $zip = new \ZipArchive;
                    $zip->open($file);
                    $left[basename($file)] = $zip->numFiles;
                }

                ksort($left);

                return $left;
            },
        ];
    }

    /** @return array<string, mixed> */
    private static function tenancy(): array
    {
        $tenant = Shop::class;

        return ['Stancl\Tenancy\TenancyServiceProvider',
            'with' => ['jobpipeline', 'virtualcolumn', 'invade'],
            'config' => [
                'tenancy.models.tenant' => $tenant,
                'tenancy.bootstrappers' => ['Stancl\Tenancy\Bootstrappers\DatabaseTenancyBootstrapper', 'Stancl\Tenancy\Bootstrappers\CacheTenancyBootstrapper', 'Stancl\Tenancy\Bootstrappers\QueueTenancyBootstrapper'],
                'tenancy.cache.stores' => ['shared'],
                'tenancy.cache.scope_sessions' => false,
                'tenancy.database.central_connection' => 'sqlite',
                'cache.default' => 'shared',
                'cache.stores.shared' => ['driver' => 'database', 'connection' => 'sqlite', 'table' => 'cache', 'lock_table' => 'cache_locks'],
                // As its documentation asks for a queue that is not each tenant's own.
                'queue.connections.database.connection' => 'sqlite',
                'queue.connections.database.central' => false,
            ],
            'register' => static function (Application $app): void {
                ('Stancl\Tenancy\Database\TenantDatabaseManagers\SQLiteDatabaseManager')::$path = self::folder();
                $app['events']->listen('Stancl\Tenancy\Events\TenancyInitialized', 'Stancl\Tenancy\Listeners\BootstrapTenancy');
                $app['events']->listen('Stancl\Tenancy\Events\TenancyEnded', 'Stancl\Tenancy\Listeners\RevertToCentralContext');
            },
            'migrations' => ['assets/migrations/*tenants_table.php'],
            'tables' => static function () use ($tenant): void {
                Schema::create('cache', static function ($columns): void {
                    $columns->string('key')->primary();
                    $columns->text('value');
                    $columns->integer('expiration');
                });

                foreach (range(0, 2) as $number) {
                    $new = $tenant::create(['id' => "tenant{$number}"]);
                    $new->database()->makeCredentials();
                    $new->database()->manager()->createDatabase($new);
                    $new->run(static fn () => Schema::create('notes', static fn ($columns) => $columns->integer('number')));
                }
            },
            'push' => static fn (int $number) => tenancy()->initialize($tenant::find('tenant'.$number % 3)),
            'pushed' => static fn () => tenancy()->end(),
            'job' => static function (int $number): void {
                DB::table('notes')->insert(['number' => $number]);
                Cache::put('last', $number);
                file_put_contents(self::folder('tenants'), tenant()->getTenantKey().' '.basename(DB::connection()->getDatabaseName()).' '.Cache::getPrefix()."\n", FILE_APPEND);
            },
            'left' => static function () use ($tenant): array {
                $left = self::lines('tenants') + ['cached' => DB::table('cache')->where('key', 'like', '%last')->count()];

                foreach ($tenant::all() as $each) {
                    $left["notes of {$each->getTenantKey()}"] = $each->run(static fn (): int => DB::table('notes')->where(DB::raw('number % 3'), (int) substr($each->getTenantKey(), 6))->count());
                }

                return $left;
            },
        ];
    }

    /** @return array<string, mixed> */
    private static function telemetry(): array
    {
        return [null,
            'with' => ['spi'],
            'environment' => ['OTEL_PHP_AUTOLOAD_ENABLED' => 'true', 'OTEL_TRACES_EXPORTER' => 'file', 'OTEL_METRICS_EXPORTER' => 'none', 'OTEL_LOGS_EXPORTER' => 'none', 'OTEL_PROPAGATORS' => 'none', 'OTEL_PHP_DETECTORS' => 'none'],
            'loaded' => static fn () => ('OpenTelemetry\SDK\Registry')::registerSpanExporterFactory('file', SpanFile::class),
            'job' => static function (int $number): void {
                $tracer = ('OpenTelemetry\API\Globals')::tracerProvider()->getTracer('jobs');
                $job = $tracer->spanBuilder("job {$number}")->startSpan();
                $scope = $job->activate();

                try {
                    foreach (range(1, 3) as $part) {
                        $span = $tracer->spanBuilder("part {$part} of {$number}")->setAttribute('of', $number)->startSpan();
                        usleep(2_000);
                        ('OpenTelemetry\API\Trace\Span')::getCurrent() === $job || throw new RuntimeException('Another job\'s span is current.');
                        $span->end();
                    }
                } finally {
                    $scope->detach();
                    $job->end();
                }
            },
            'left' => static fn (): array => self::lines('spans'),
        ];
    }

    /** @return array<string, mixed> */
    private static function soap(): array
    {
        return [null,
            'job' => static function (int $number): void {
                $client = new \nusoap_client(getenv('KQUEUE_TEST_SERVER').'/soap');
                $answer = $client->call('double', ['number' => $number], 'urn:kqueue');
                file_put_contents(self::folder('answers'), "{$number}: ".json_encode($answer)." {$client->getError()}\n", FILE_APPEND);
                (int) $answer === 2 * $number || throw new RuntimeException("The answer is wrong: {$client->getError()}");
            },
            'left' => static fn (): array => self::lines('answers'),
        ];
    }

    /** @return array<string, int> the file's lines, each with its number */
    private static function lines(string $file): array
    {
        $counts = array_count_values(array_map(trim(...), @file(self::folder($file)) ?: []));
        ksort($counts);

        return $counts;
    }

    private static function folder(string $file = ''): string
    {
        return rtrim(getenv('KQUEUE_TEST_FOLDER')."/{$file}", '/');
    }
}
