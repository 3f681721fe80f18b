<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use KQueue\Console\RunCommand;
use KQueue\Engine;
use KQueue\Isolation\Profile;
use KQueue\Runtime;
use KQueue\Support\Config;
use KQueue\Support\Settings;
use PHPUnit\Framework\Attributes\TestWith;
use ReflectionMethod;
use ReflectionProperty;

/**
 * Limits are in src/core/options.rs, defaults there (of plain programs) and in php/config/kqueue.php (of kqueue:run). Whoever else names
 * one names the same.
 */
final class OptionsTest extends TestCase
{
    private const ROOT = __DIR__.'/../..';

    public function test_the_package_has_the_limits_of_the_engine(): void
    {
        $options = Engine::options();

        self::assertSame([1, Settings::MOST_LANES], [$options['concurrency']['least'], $options['concurrency']['most']]);
        self::assertSame([0, Settings::MOST_ISOLATED], [$options['isolated']['least'], $options['isolated']['most']]);
    }

    #[TestWith(['concurrency'])]
    #[TestWith(['isolated'])]
    public function test_the_command_has_them_too(string $option): void
    {
        $most = Engine::options()[$option]['most'];

        self::assertSame(1, $this->app['Illuminate\Contracts\Console\Kernel']->call('kqueue:run', ["--{$option}" => (string) ($most + 1)]));
        self::assertStringContainsString("--{$option} must be a whole number from 1 to {$most}", $this->app['Illuminate\Contracts\Console\Kernel']->output());
    }

    public function test_a_runtime_has_the_defaults_of_the_engine_and_the_stub_its_limits(): void
    {
        $options = Engine::options();
        $defaults = [];

        foreach ((new ReflectionMethod(Runtime::class, '__construct'))->getParameters() as $parameter) {
            $defaults[$parameter->name === 'memoryLimit' ? 'memory_limit' : $parameter->name] = $parameter->getDefaultValue();
        }

        self::assertSame(array_intersect_key(array_map(static fn (array $option): mixed => $option['default'], $options), $defaults), $defaults);

        $stub = (string) file_get_contents(self::ROOT.'/stubs/kqueue.stub.php');

        foreach (['concurrency', 'isolated'] as $option) {
            self::assertMatchesRegularExpression("/\\\${$option} .*\\b{$options[$option]['least']} to {$options[$option]['most']}\\b/", $stub);
        }
    }

    public function test_the_help_of_the_command_names_the_configs_default(): void
    {
        $definition = $this->app->make(RunCommand::class)->getDefinition();

        self::assertStringContainsString('kqueue.concurrency, '.$this->defaults()['concurrency'].')', $definition->getOption('concurrency')->getDescription());
        self::assertNull($this->defaults()['isolated'], 'and the help says that it is the number of cores');
    }

    public function test_documents_name_the_configs_defaults(): void
    {
        $named = [];

        foreach (['README.md', 'docs/laravel.md'] as $file) {
            $text = (string) file_get_contents(self::ROOT."/{$file}");
            // "`kqueue.flush` seconds (10)", "256 MB (`kqueue.auto.memory`".
            preg_match_all('/`kqueue\.([\w.]+)`(?: \w+)? \((\d+)\)/', $text, $after, PREG_SET_ORDER);
            preg_match_all('/(\d+) MB \(`kqueue\.([\w.]+)`/', $text, $before, PREG_SET_ORDER);
            array_push($named, ...array_map(static fn (array $match): array => [$match[1], $match[2]], $after));
            array_push($named, ...array_map(static fn (array $match): array => [$match[2], $match[1]], $before));
        }

        self::assertGreaterThanOrEqual(4, count($named));

        foreach ($named as [$key, $value]) {
            self::assertSame((float) $value, (float) data_get($this->defaults(), $key), "kqueue.{$key} in the documents");
        }
    }

    /** A published config may be older than a key, or have only part of a group. */
    public function test_what_a_config_leaves_out_is_as_the_packages_own(): void
    {
        $this->app['config']->set('kqueue', ['auto' => ['slice' => 2.0], 'child_jobs' => null, 'shared' => ['A'], 'connections' => ['max' => ['mysql' => 3]]]);
        $config = Config::of($this->app);

        self::assertSame(2.0, $config['auto']['slice']);
        self::assertSame($this->defaults()['auto']['memory'], $config['auto']['memory']);
        self::assertSame($this->defaults()['child_jobs'], $config['child_jobs']);
        self::assertSame(['A'], $config['shared']);
        self::assertSame(['idle' => $this->defaults()['connections']['idle'], 'max' => ['mysql' => 3]], $config['connections']);

        $profile = Profile::in($this->app, $this->app->make('cache.store'));
        self::assertSame($this->defaults()['auto']['probation'], (new ReflectionProperty($profile, 'probation'))->getValue($profile));
    }

    /** @return array<string, mixed> */
    private function defaults(): array
    {
        return require Config::FILE;
    }
}
