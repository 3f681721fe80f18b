<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Http\Client\Pool;
use Illuminate\Process\Pool as ProcessPool;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Mail;
use Illuminate\Support\Facades\Process;
use Illuminate\Support\Facades\Redis;

/** What the jobs of OverlapTest do: each waits for the time given, by a way of Laravel's, and returns what it was told. */
final class Waits
{
    public static function http(float $seconds, int $which): string
    {
        return Http::timeout(20)->get(self::plain("{$seconds}/text{$which}"))->throw()->body();
    }

    /** @return array<string, string> */
    public static function httpPool(float $seconds, int $which): array
    {
        $answers = Http::pool(static fn (Pool $pool): array => [
            $pool->as('a')->timeout(20)->get(self::plain("{$seconds}/a{$which}")),
            $pool->as('b')->timeout(20)->withOptions(['verify' => getenv('KQUEUE_TEST_CERTIFICATE')])->get(self::secure("{$seconds}/b{$which}")),
            $pool->as('c')->timeout(20)->get(self::plain("0.01/c{$which}")),
        ]);

        // They come in the order in which they ended.
        ksort($answers);

        return array_map(static fn ($answer): string => $answer->throw()->body(), $answers);
    }

    public static function mail(float $seconds, int $which): bool
    {
        return Mail::raw("text {$which}", static fn ($mail) => $mail->to('b@example.com')->subject('letter')) !== null;
    }

    public static function process(float $seconds, int $which): string
    {
        return Process::timeout(20)->run("sleep {$seconds}; echo text {$which}")->throw()->output();
    }

    /** @return list<string> */
    public static function processPool(float $seconds, int $which): array
    {
        $results = Process::pool(static function (ProcessPool $pool) use ($seconds, $which): void {
            $pool->command("sleep {$seconds}; echo a{$which}");
            $pool->command("sleep {$seconds}; echo b{$which}");
        })->start()->wait();

        return [$results[0]->output(), $results[1]->output()];
    }

    /** @return array{int, int} */
    public static function mysql(float $seconds, int $which): array
    {
        return self::transaction('mysql', "SELECT SLEEP({$seconds})", $which);
    }

    /** @return array{int, int} */
    public static function pgsql(float $seconds, int $which): array
    {
        return self::transaction('pgsql', "SELECT pg_sleep({$seconds})", $which);
    }

    /** @return list<string> */
    public static function redis(float $seconds, int $which): array
    {
        $redis = Redis::connection('waits');
        $redis->executeRaw(['BLPOP', "empty{$which}", (string) $seconds]);
        $redis->rpush("list{$which}", "text {$which}");

        return $redis->lrange("list{$which}", 0, -1);
    }

    public static function cacheLock(float $seconds, int $which): bool
    {
        return Cache::lock('lock', 30)->betweenBlockedAttemptsSleepFor(20)->block(25, static function () use ($seconds): bool {
            usleep((int) ($seconds * 1e6));

            return true;
        });
    }

    /**
     * Half of the jobs take back what they wrote.
     *
     * @return array{int, int} its own rows inside of the transaction, and after it
     */
    private static function transaction(string $name, string $sleep, int $which): array
    {
        $connection = DB::connection($name);
        $own = bin2hex(random_bytes(8));
        $rows = static fn () => $connection->table('waits')->where('own', $own);
        $connection->beginTransaction();
        $connection->table('waits')->insert(['own' => $own]);
        $inside = $rows()->count();
        $connection->select($sleep);
        $which % 2 ? $connection->commit() : $connection->rollBack();

        return [$inside, $rows()->count()];
    }

    private static function plain(string $path): string
    {
        return 'http://'.getenv('KQUEUE_TEST_HTTP').'/'.$path;
    }

    private static function secure(string $path): string
    {
        return 'https://'.getenv('KQUEUE_TEST_HTTPS').'/'.$path;
    }
}
