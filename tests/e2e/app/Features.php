<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Closure;
use Illuminate\Auth\GenericUser;
use Illuminate\Container\Container;
use Illuminate\Database\Events\QueryExecuted;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Bus;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Event;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Lang;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Mail;
use Illuminate\Support\Facades\URL;
use Illuminate\Support\Facades\View;
use RuntimeException;

/**
 * Features of Laravel that mean "the current job" where they say "now". Two jobs in two lanes take the same steps: each makes its change,
 * meets the other, and then looks. What it sees must be what it would see alone.
 */
final class Features
{
    /** @return array<string, Closure(string $name, Closure $meet): array{mixed, mixed}> what was seen, and what is right */
    public static function all(): array
    {
        return [
            'context' => static function (string $name, Closure $meet): array {
                Context::add('name', $name);
                Context::addHidden('secret', $name);
                Context::push('stack', $name);
                $meet();
                $scoped = Context::scope(static function () use ($meet) {
                    $meet();

                    return Context::get('inner');
                }, ['inner' => $name]);

                return [[Context::get('dispatched'), Context::get('name'), Context::getHidden('secret'), Context::get('stack'), $scoped], ["for {$name}", $name, $name, [$name], $name]];
            },
            'log context' => static function (string $name, Closure $meet): array {
                Log::withContext(['channel' => $name]);
                Log::shareContext(['shared' => $name]);
                $meet();
                Log::info("line of {$name}");
                $lines = array_filter(file(storage_path('laravel.log')), static fn (string $line): bool => str_contains($line, "line of {$name}"));
                preg_match_all('/"(channel|shared)":"(\w+)"/', implode($lines), $context);

                return [[count($lines), $context[2], Log::sharedContext()], [1, [$name, $name], ['shared' => $name]]];
            },
            'tenancy' => static function (string $name, Closure $meet): array {
                $meet();

                return [[config('app.tenant'), Tenant::$current, app(Tenant::class)->name], [$name, $name, $name]];
            },
            'query log' => static function (string $name, Closure $meet): array {
                DB::enableQueryLog();
                $meet();
                DB::select("select '{$name}' as name");
                $meet();

                return [array_column(DB::getQueryLog(), 'query'), ["select '{$name}' as name"]];
            },
            'query listeners' => static function (string $name, Closure $meet): array {
                $seen = [];
                DB::listen(static function (QueryExecuted $query) use (&$seen): void {
                    $seen[] = $query->sql;
                });
                $meet();
                DB::select("select '{$name}' as name");
                $meet();

                return [$seen, ["select '{$name}' as name"]];
            },
            'event listeners' => static function (string $name, Closure $meet): array {
                $seen = [];
                Event::listen('moment', static function (string $by) use (&$seen): void {
                    $seen[] = $by;
                });
                $meet();
                Event::dispatch('moment', [$name]);
                $meet();

                return [$seen, [$name]];
            },
            'fakes' => static function (string $name, Closure $meet): array {
                Event::fake(['moment']);
                Bus::fake([Act::class]);
                Http::fake(['*' => Http::response($name)]);
                $meet();
                $body = Http::get('http://127.0.0.1:1/')->body();
                Event::dispatch('moment', [$name]);
                dispatch(new Act('nothing', $name));
                $meet();

                return [
                    [$body, Event::dispatched('moment')->count(), Bus::dispatched(Act::class)->map(static fn (Act $act) => $act->arguments)->all()],
                    [$name, 1, [[$name]]],
                ];
            },
            'auth' => static function (string $name, Closure $meet): array {
                Auth::setUser(new GenericUser(['id' => $name]));
                $meet();

                return [[Auth::id(), Auth::user()?->id, Container::getInstance()->make('auth')->guard()->id()], [$name, $name, $name]];
            },
            'lang' => static function (string $name, Closure $meet): array {
                Lang::addLines(['messages.hello' => "hello {$name}"], 'xx');
                Lang::setLocale('xx');
                $meet();
                $line = __('messages.hello');
                Lang::setLocale($name);
                $meet();

                return [[$line, Lang::getLocale()], ["hello {$name}", $name]];
            },
            'views' => static function (string $name, Closure $meet): array {
                View::share('shared', $name);
                View::composer('two-lanes', static fn ($view) => $view->with('composed', $name));
                $meet();

                return [trim(View::make('two-lanes', ['given' => $name])->render()), "{$name} {$name} {$name}"];
            },
            'mail' => static function (string $name, Closure $meet): array {
                Mail::mailer('array')->alwaysTo("{$name}@example.com");
                $meet();
                Mail::mailer('array')->raw("text {$name}", static fn ($message) => $message->to('nobody@example.com')->subject($name));
                $meet();
                $sent = Mail::mailer('array')->getSymfonyTransport()->messages();

                return [$sent->map(static fn ($message): string => $message->getEnvelope()->getRecipients()[0]->getAddress())->all(), ["{$name}@example.com"]];
            },
            'urls' => static function (string $name, Closure $meet): array {
                URL::useOrigin("http://{$name}.example.com");
                $meet();

                return [url('/path'), "http://{$name}.example.com/path"];
            },
        ];
    }

    /** In a job: does one of them beside the partner's. */
    public static function pair(string $feature, string $name, string $partner): void
    {
        $folder = getenv('KQUEUE_TEST_FOLDER');
        $step = 0;
        $meet = static function () use ($folder, $name, $partner, &$step): void {
            touch("{$folder}/{$name}.".++$step);

            for ($end = microtime(true) + 20; ! is_file("{$folder}/{$partner}.{$step}"); usleep(1000)) {
                clearstatcache();

                if (microtime(true) > $end) {
                    throw new RuntimeException("{$partner} did not come");
                }
            }
        };
        [$seen, $right] = self::all()[$feature]($name, $meet);

        if ($seen !== $right) {
            throw new RuntimeException("leaked: {$feature}: ".json_encode([$seen, $right]));
        }
    }
}
