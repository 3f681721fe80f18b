<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Carbon\Carbon;
use Closure;
use Illuminate\Auth\GenericUser;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\Relation;
use Illuminate\Http\Client\Factory as HttpFactory;
use Illuminate\Support\Facades\App;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Event;
use Illuminate\Support\Facades\Gate;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\RateLimiter;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\Facades\Validator;
use Illuminate\Support\Facades\View;
use Illuminate\Support\Str;
use ReflectionFunction;
use ReflectionProperty;
use RuntimeException;

/** What a job can change in its process, and how the next one would see it. */
final class State
{
    public static int $static = 0;

    /** What all kinds look like. @return array<string, string> */
    public static function look(): array
    {
        return array_map(static fn (array $kind): string => (string) json_encode($kind[1](), JSON_PARTIAL_OUTPUT_ON_ERROR), self::kinds());
    }

    /**
     * A job that looks, changes things at random, and ends in one of several ways.
     *
     * @return list<string> the kinds whose change this very job did not see: a test with these would be blind
     */
    public static function change(int $seed): array
    {
        $roll = static function (int $sides) use (&$seed): int {
            $seed = ($seed * 1103515245 + 12345) & 0x7FFFFFFF;

            return ($seed >> 8) % $sides;
        };
        $kinds = self::kinds();
        $names = array_keys($kinds);
        $before = self::look();
        $changed = [];

        for ($i = 3 + $roll(12); $i > 0; $i--) {
            $name = $names[$roll(count($names))];
            // The same twice may be as before.
            isset($changed[$name]) || $kinds[$name][0](1 + $roll(50));
            $changed[$name] = true;
            $roll(4) === 0 && usleep($roll(300));
        }

        $after = self::look();

        return array_values(array_filter(array_keys($changed), static fn (string $name): bool => $after[$name] === $before[$name]));
    }

    /** @return array<string, array{Closure(int): mixed, Closure(): mixed}> how to change it, to what a number says, and what it looks like */
    private static function kinds(): array
    {
        return [
            // Laravel's.
            'instance' => [static fn (int $n) => app()->instance('left behind', $n), static fn () => app()->bound('left behind') ? app('left behind') : null],
            'binding' => [static fn (int $n) => app()->bind("left behind {$n}", static fn () => $n), static fn () => count(app()->getBindings())],
            'extended service' => [static fn (int $n) => app('url')->forceRootUrl("http://h{$n}"), static fn () => url('/')],
            'config' => [static fn (int $n) => config(['app.name' => "name {$n}"]), static fn () => config('app.name')],
            'locale' => [static fn (int $n) => App::setLocale("l{$n}"), static fn () => [App::getLocale(), app('translator')->getLocale()]],
            'translation' => [static fn (int $n) => app('translator')->addLines(['x.y' => "line {$n}"], 'en'), static fn () => app('translator')->get('x.y', [], 'en')],
            // What Laravel 10 does not have is left out.
            ...(class_exists(Context::class) ? ['context' => [static fn (int $n) => Context::add('n', $n), static fn () => Context::all()]] : []),
            'log context' => [static fn (int $n) => Log::shareContext(['n' => $n]), static fn () => Log::sharedContext()],
            'listener' => [static fn (int $n) => Event::listen("event {$n}", static fn () => null), static fn () => count(app('events')->getRawListeners())],
            'unguarded models' => [static fn () => Model::unguard(), static fn () => Model::isUnguarded()],
            'strict models' => [static fn () => Model::preventLazyLoading(), static fn () => Model::preventsLazyLoading()],
            'global scope' => [static fn (int $n) => Row::addGlobalScope("scope {$n}", static fn () => null), static fn () => array_keys((new Row)->getGlobalScopes())],
            'morph map' => [static fn (int $n) => Relation::morphMap(["row{$n}" => Row::class]), static fn () => Relation::morphMap()],
            'constraints' => [static fn () => (new ReflectionProperty(Relation::class, 'constraints'))->setValue(null, false), static fn () => (new ReflectionProperty(Relation::class, 'constraints'))->getValue()],
            'macro' => [static fn (int $n) => Str::macro("left{$n}", static fn () => $n), static fn () => array_filter(range(1, 50), static fn (int $n): bool => Str::hasMacro("left{$n}"))],
            'UUID factory' => [static fn (int $n) => Str::createUuidsUsing(static fn () => "uuid {$n}"), static fn () => strlen((string) Str::uuid())],
            'user' => [static fn (int $n) => Auth::setUser(new GenericUser(['id' => $n])), static fn () => Auth::hasUser() ? Auth::id() : null],
            'gate' => [static fn (int $n) => Gate::define("ability {$n}", static fn () => true), static fn () => array_keys(Gate::abilities())],
            'validator' => [static fn (int $n) => Validator::extend("rule{$n}", static fn () => true), static fn () => array_filter(range(1, 50), static fn (int $n): bool => self::knowsRule("rule{$n}"))],
            'rate limiter' => [static fn (int $n) => RateLimiter::for("limit {$n}", static fn () => null), static fn () => array_filter(range(1, 50), static fn (int $n): bool => RateLimiter::limiter("limit {$n}") !== null)],
            'route' => [static fn (int $n) => Route::get("route{$n}", static fn () => null), static fn () => count(Route::getRoutes())],
            'shared view data' => [static fn (int $n) => View::share('left', $n), static fn () => View::shared('left')],
            ...(method_exists(HttpFactory::class, 'preventingStrayRequests') ? ['faked requests' => [static fn () => Http::preventStrayRequests(), static fn () => Http::preventingStrayRequests()]] : []),
            'test clock' => [static fn (int $n) => Carbon::setTestNow(Carbon::createFromTimestamp($n)), static fn () => Carbon::hasTestNow()],
            'connection' => [static fn (int $n) => DB::statement("pragma cache_size = {$n}"), static fn () => DB::selectOne('pragma cache_size')->cache_size],
            'query log' => [static fn () => DB::enableQueryLog(), static fn () => DB::logging()],
            'transaction' => [static fn () => DB::beginTransaction(), static fn () => DB::transactionLevel()],
            'row in a transaction' => [
                static fn (int $n) => [DB::beginTransaction(), DB::table('rows')->insert(['owner' => "owner {$n}", 'kind' => 'never'])],
                static fn () => [DB::transactionLevel(), DB::table('rows')->count()],
            ],
            // PHP's.
            'static property' => [static fn (int $n) => self::$static += $n, static fn () => self::$static],
            'static variable' => [static fn (int $n) => self::count($n), static fn () => self::count(0)],
            'global variable' => [static fn (int $n) => $GLOBALS['left behind'] = $n, static fn () => $GLOBALS['left behind'] ?? null],
            'superglobal' => [static fn (int $n) => $_SERVER['LEFT_BEHIND'] = $n, static fn () => $_SERVER['LEFT_BEHIND'] ?? null],
            'ini value' => [static fn (int $n) => ini_set('user_agent', "agent {$n}"), static fn () => ini_get('user_agent')],
            'include path' => [static fn (int $n) => set_include_path("/left{$n}"), static fn () => get_include_path()],
            'error level' => [static fn () => error_reporting(E_ERROR), static fn () => error_reporting()],
            'time zone' => [static fn () => date_default_timezone_set('Asia/Tokyo'), static fn () => date('c', 1)],
            'C locale' => [static fn () => setlocale(LC_TIME, 'C.UTF-8') ?: setlocale(LC_TIME, 'C.utf8'), static fn () => setlocale(LC_ALL, '0')],
            'encoding' => [static fn () => mb_internal_encoding('ISO-8859-1'), static fn () => mb_internal_encoding()],
            'working directory' => [static fn () => chdir('/proc'), static fn () => getcwd()],
            'umask' => [static fn (int $n) => umask(0o100 + $n), static fn () => umask()],
            'environment' => [static fn (int $n) => putenv("LEFT_BEHIND={$n}"), static fn () => getenv('LEFT_BEHIND')],
            'output buffer' => [static fn () => ob_start(), static fn () => ob_get_level()],
            'error handler' => [static fn (int $n) => set_error_handler(static fn () => $n === 0), self::errorHandler(...)],
            'stream wrapper' => [static fn () => stream_wrapper_register('left', self::class), static fn () => in_array('left', stream_get_wrappers(), true)],
            'autoloader' => [static fn (int $n) => spl_autoload_register(static fn () => $n === 0), static fn () => count(spl_autoload_functions())],
        ];
    }

    /** How the job ends; by its seed. */
    public static function end(Act $job, int $seed): void
    {
        match ($seed % 7) {
            0 => throw new RuntimeException('as it should'),
            1 => exit(1),
            2 => $job->fail('as it should'),
            default => null,
        };
    }

    private static function count(int $by): int
    {
        static $count = 0;

        return $count += $by;
    }

    private static function errorHandler(): ?string
    {
        $handler = set_error_handler(null);
        restore_error_handler();

        return $handler instanceof Closure ? basename((string) (new ReflectionFunction($handler))->getFileName()) : json_encode(is_array($handler) ? $handler[1] : $handler);
    }

    private static function knowsRule(string $rule): bool
    {
        return isset((new ReflectionProperty(app('validator'), 'extensions'))->getValue(app('validator'))[$rule]);
    }
}
