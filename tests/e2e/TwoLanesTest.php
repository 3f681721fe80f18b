<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use Illuminate\Auth\AuthManager;
use Illuminate\Config\Repository as Config;
use Illuminate\Database\DatabaseManager;
use Illuminate\Events\Dispatcher;
use Illuminate\Http\Client\Factory as HttpFactory;
use Illuminate\Log\LogManager;
use Illuminate\Mail\MailManager;
use Illuminate\Routing\UrlGenerator;
use Illuminate\Support\Facades\Context;
use Illuminate\Translation\Translator;
use Illuminate\View\Factory as ViewFactory;
use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Features;
use KQueue\Tests\E2E\App\Tenant;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/** Features that pair events with "the current job", each in two lanes at once. */
final class TwoLanesTest extends TestCase
{
    /** For each feature a class that lanes must not share for it. Laravel makes a context anew for each job. */
    private const CLASSES = [
        'context' => null,
        'log context' => LogManager::class,
        'tenancy' => Config::class,
        'query log' => DatabaseManager::class,
        'query listeners' => Dispatcher::class,
        'event listeners' => Dispatcher::class,
        'fakes' => HttpFactory::class,
        'auth' => AuthManager::class,
        'lang' => Translator::class,
        'views' => ViewFactory::class,
        'mail' => MailManager::class,
        'urls' => UrlGenerator::class,
    ];

    /** @return array<string, array{string}> */
    public static function features(): array
    {
        return array_map(static fn (string $feature): array => [$feature], array_combine(array_keys(Features::all()), array_keys(Features::all())));
    }

    /** @return array<string, array{string, class-string}> */
    public static function classes(): array
    {
        return array_map(static fn (string $class, string $feature): array => [$feature, $class], array_filter(self::CLASSES), array_keys(array_filter(self::CLASSES)));
    }

    #[DataProvider('features')]
    public function test_each_job_sees_its_own(string $feature): void
    {
        $this->pair($feature, ['KQUEUE_LANES' => 'cloned']);

        self::assertSame([], $this->failures());
        self::assertCount(2, Trace::all('end'));
        self::assertCount(2, array_unique(array_column(Trace::all('end'), 'app')));
    }

    #[DataProvider('classes')]
    public function test_it_would_be_seen_if_lanes_shared_it(string $feature, string $class): void
    {
        $this->pair($feature, ['KQUEUE_TEST_SHARED' => $class, 'KQUEUE_TEST_RESOLVED' => $class]);

        self::assertStringContainsString("leaked: {$feature}", implode("\n", $this->failures()));
    }

    private function pair(string $feature, array $environment): void
    {
        putenv('KQUEUE_TEST_TENANCY=1');
        $this->use('database');

        foreach (['one' => 'two', 'two' => 'one'] as $name => $partner) {
            Tenant::$current = $name;
            Context::add('dispatched', "for {$name}");
            $this->push(new Act('feature', $feature, $name, $partner));
        }

        Tenant::$current = null;
        $run = $this->kqueue(['--concurrency=2'], $environment);
        self::assertSame(0, $run->wait(), $run->output());
    }

    protected function tearDown(): void
    {
        putenv('KQUEUE_TEST_TENANCY');
        parent::tearDown();
    }
}
