<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Foundation\Application;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Packages;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * Packages that listen to workers, or write down at their ends: 200 jobs leave the same by queue:work and by kqueue:run. They are looked
 * for in KQUEUE_TEST_PACKAGES; docs/packages.md has what was tried with which.
 */
final class PackagesTest extends TestCase
{
    private const JOBS = 200;

    private const WAYS = [
        'inline' => ['--concurrency=20'],
        'fresh' => ['--fresh', '--concurrency=10'],
        'isolated' => ['--isolate', '--isolated=2'],
    ];

    /** @var array<string, array<string, int>> by package, what queue:work leaves */
    private static array $expected = [];

    protected function tearDown(): void
    {
        putenv('KQUEUE_TEST_PACKAGE');
        putenv('KQUEUE_TEST_PROVIDER');
        parent::tearDown();
    }

    /** @return array<string, array{string, string}> */
    public static function matrix(): array
    {
        $cases = [];

        foreach (array_keys(Packages::all()) as $package) {
            foreach (array_keys(self::WAYS) as $way) {
                $cases["{$package}, {$way}"] = [$package, $way];
            }
        }

        return $cases;
    }

    #[DataProvider('matrix')]
    public function test_it_leaves_what_it_leaves_by_queue_work(string $package, string $way): void
    {
        $this->skipWithout($package);
        $expected = self::$expected[$package] ??= $this->left($package, 'queue:work', []);
        $actual = $this->left($package, 'kqueue:run', self::WAYS[$way]);

        self::assertNotSame([], array_filter($expected), 'nothing was recorded');
        self::assertSame($expected, $actual);
    }

    /** A run that has nothing to do is recorded no more than a worker that has nothing to do. */
    #[DataProvider('recorders')]
    public function test_looks_at_an_empty_queue_are_recorded_no_more_than_those_of_queue_work(string $package): void
    {
        $this->skipWithout($package);
        $this->boot($package);
        $idle = function (string $command): array {
            $run = $this->start($command, ['--sleep=0.1'], ['KQUEUE_TEST_EVENTS' => '1', 'KQUEUE_TEST_ENV' => 'production']);
            $this->waitFor(static fn (): bool => count(array_filter(Trace::all('event'), static fn (array $entry): bool => $entry['detail'][0] === 'Looping')) > 30, 'thirty looks at the queue');
            $run->signal(SIGTERM);
            self::assertSame(0, $run->wait(20), $run->output());
            unlink("{$this->folder}/trace");

            return Packages::all()[getenv('KQUEUE_TEST_PACKAGE')]['left']();
        };
        $before = $idle('queue:work');

        self::assertSame($before, $idle('kqueue:run'));
    }

    /** @return array<string, array{string}> */
    public static function recorders(): array
    {
        return ['telescope' => ['telescope'], 'nightwatch' => ['nightwatch']];
    }

    /**
     * @param  list<string>  $arguments
     * @return array<string, int>
     */
    private function left(string $package, string $command, array $arguments): array
    {
        exec('rm -rf '.escapeshellarg($this->folder).'/{e2e.sqlite*,trace,nightwatch,sentry,tenants}');
        $this->tearDown();
        $this->setUp();
        $this->boot($package);

        foreach (range(1, self::JOBS) as $number) {
            Packages::push($number, fn () => $this->push((new Act('package', $number))->with(['tries' => 1])));
        }

        $run = $this->start($command, ['--stop-when-empty', '--sleep=0', ...$arguments], ['KQUEUE_TEST_ENV' => 'production']);

        self::assertSame(0, $run->wait(120), $run->output());
        // Telescope queues updates of entries, for later.
        self::assertSame(0, $this->app['db']->table('jobs')->where('payload', 'like', '%"displayName":"KQueue%')->count());
        self::assertCount(self::JOBS / 10, $this->failures(), implode("\n", $this->failures()));

        return Packages::all()[$package]['left']();
    }

    private function boot(string $package): void
    {
        putenv("KQUEUE_TEST_PACKAGE={$package}");
        putenv('KQUEUE_TEST_SERVER='.self::server());
        putenv('KQUEUE_TEST_PROVIDER='.Packages::class);
        Packages::load();
        $this->use('database');
        Packages::migrate();
    }

    /** What webhooks and calls of SOAP are sent to, until the tests end. */
    private static function server(): string
    {
        static $address = null;

        if ($address === null) {
            $probe = stream_socket_server('tcp://127.0.0.1:0');
            $name = stream_socket_get_name($probe, false);
            fclose($probe);
            $null = ['file', '/dev/null', 'w'];
            $server = proc_open(['timeout', '1800', PHP_BINARY, '-S', $name, __DIR__.'/app/Packaged/server.php'], [['file', '/dev/null', 'r'], $null, $null], $pipes);
            $owner = getmypid();
            register_shutdown_function(static fn () => $owner === getmypid() && proc_terminate($server));

            for ($tries = 0; $tries < 100 && ! @stream_socket_client("tcp://{$name}"); $tries++) {
                usleep(50_000);
            }

            $address = "http://{$name}";
        }

        return $address;
    }

    private function skipWithout(string $package): void
    {
        foreach (Packages::all()[$package]['extensions'] ?? [] as $extension) {
            extension_loaded($extension) || self::markTestSkipped("{$package} is not tried: the PHP extension {$extension} is not here.");
        }

        if (Packages::folder($package) === null) {
            self::markTestSkipped("{$package} is not there to be tried with Laravel ".Application::VERSION.': KQUEUE_TEST_PACKAGES may name a folder with its checkout.');
        }
    }
}
