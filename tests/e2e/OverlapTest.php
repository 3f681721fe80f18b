<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\Support\TestCase;
use PDO;

require_once dirname(__DIR__).'/phpt/lib/rows.inc';
require_once dirname(__DIR__).'/phpt/lib/server.inc';
require_once dirname(__DIR__).'/phpt/lib/secure.inc';

/** The rows of docs/overlap.md that need Laravel. What they say is in tests/phpt/lib/rows.json, beside those of tests/phpt. */
final class OverlapTest extends TestCase
{
    private const JOBS = 8;

    /** So long that what the jobs do besides waiting hardly counts, even on a busy machine. */
    private const SECONDS = 1.0;

    public function test_http(): void
    {
        $this->row('laravel-http', 'http', static fn (int $which): string => "text{$which}", ['KQUEUE_TEST_HTTP' => slow_server()]);
    }

    public function test_http_pool(): void
    {
        ['address' => $address, 'certificate' => $certificate] = secure_server('https');

        $this->row('laravel-http-pool', 'httpPool', static fn (int $which): array => ['a' => "a{$which}", 'b' => "b{$which}", 'c' => "c{$which}"], [
            'KQUEUE_TEST_HTTP' => slow_server(), 'KQUEUE_TEST_HTTPS' => $address, 'KQUEUE_TEST_CERTIFICATE' => $certificate,
        ]);
    }

    public function test_mail_with_starttls(): void
    {
        // Eight answers until a letter is taken.
        ['address' => $address, 'certificate' => $certificate, 'folder' => $folder] = secure_server('smtp', self::SECONDS / 8);

        $this->row('laravel-mail', 'mail', static fn (): bool => true, ['KQUEUE_TEST_SMTP_PORT' => explode(':', $address)[1], 'SSL_CERT_FILE' => $certificate]);

        $letters = array_map(file_get_contents(...), glob("{$folder}/*.letter"));
        preg_match_all('/^text \d+/m', implode("\n", $letters), $texts);
        self::assertEqualsCanonicalizing(array_map(static fn (int $which): string => "text {$which}", range(0, self::JOBS - 1)), $texts[0]);
    }

    public function test_processes(): void
    {
        $this->row('laravel-process', 'process', static fn (int $which): string => "text {$which}\n");
    }

    public function test_process_pools(): void
    {
        $this->row('laravel-process-pool', 'processPool', static fn (int $which): array => ["a{$which}\n", "b{$which}\n"]);
    }

    public function test_mysql(): void
    {
        ['port' => $port] = mysql_server();
        (new PDO("mysql:host=127.0.0.1;port={$port};dbname=test", 'root'))->exec('CREATE TABLE waits (own CHAR(16) PRIMARY KEY)');

        $this->row('laravel-mysql', 'mysql', static fn (int $which): array => [1, $which % 2], ['KQUEUE_TEST_MYSQL_PORT' => (string) $port]);
    }

    public function test_postgresql(): void
    {
        ['port' => $port] = postgres_server();
        (new PDO("pgsql:host=127.0.0.1;port={$port};dbname=postgres", 'test'))->exec('CREATE TABLE waits (own CHAR(16) PRIMARY KEY)');

        $this->row('laravel-pgsql', 'pgsql', static fn (int $which): array => [1, $which % 2], ['KQUEUE_TEST_PGSQL_PORT' => (string) $port]);
    }

    public function test_phpredis(): void
    {
        ['port' => $port] = redis_server();

        $this->row('laravel-phpredis', 'redis', static fn (int $which): array => ["text {$which}"], ['KQUEUE_TEST_WAITS_PORT' => (string) $port]);
    }

    public function test_predis(): void
    {
        ['port' => $port] = redis_server();

        $this->row('laravel-predis', 'redis', static fn (int $which): array => ["text {$which}"], ['KQUEUE_TEST_WAITS_PORT' => (string) $port, 'KQUEUE_TEST_REDIS_CLIENT' => 'predis']);
    }

    public function test_cache_locks(): void
    {
        $this->row('laravel-cache-lock', 'cacheLock', static fn (): bool => true, [], 4);
    }

    /**
     * As row() of tests/phpt: several jobs with the same wait, in a runner of their own.
     *
     * @param  array<string, string>  $environment
     */
    private function row(string $id, string $action, callable $expected, array $environment = [], int $jobs = self::JOBS): void
    {
        $documented = documented(rows()[$id]);

        $this->push(...array_map(static fn (int $which): Act => new Act('waits', $action, self::SECONDS, $which), range(0, $jobs - 1)));
        $run = $this->kqueue(['--concurrency='.$jobs], $environment);

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame([], $this->failures());
        $results = array_column(array_column(Trace::all('result'), 'detail'), 1, 0);
        ksort($results);
        self::assertSame(array_map($expected, range(0, $jobs - 1)), $results);

        $took = max(array_column(Trace::all('end'), 'at')) - min(array_column(Trace::all('start'), 'at'));
        // Without a job beside them to look, they only can have overlapped or not.
        $verdict = verdict($took, 0.0, $jobs, self::SECONDS);

        $figure = sprintf('%d jobs of %.1f s took %.2f s', $jobs, self::SECONDS, $took);
        $this->report("{$id}: {$figure}");
        self::assertSame($documented, $verdict, "{$id}: {$figure}");
        record_figure($id, $figure);
    }
}
