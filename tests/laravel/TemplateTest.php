<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use Illuminate\Contracts\Console\Kernel;
use KQueue\Application\Template;
use KQueue\Output\LaneOutput;
use KQueue\Support\Laravel;
use KQueue\Support\Settings;
use KQueue\Testing\FakeEngine;
use KQueue\Tests\Laravel\Fixtures\Recorder;
use KQueue\Worker\LaneWorker;
use ReflectionObject;

final class TemplateTest extends TestCase
{
    public function test_it_is_an_application_of_its_own_with_a_worker_and_no_connection(): void
    {
        // A provider that queries the database when it boots.
        Recorder::$onBoot[] = static fn ($app) => $app['db']->select('select 1');
        $app = $this->template();

        self::assertNotSame($this->app, $app);
        self::assertSame($app, app());
        self::assertInstanceOf(LaneWorker::class, $app['queue.worker']);
        self::assertNull($app['db']->connection()->getRawPdo());
    }

    public function test_it_holds_no_resource_and_no_generator(): void
    {
        $found = [];
        $this->walk($this->template(), 'app', $found);

        self::assertSame([], $found);
    }

    public function test_artisan_was_not_made_for_it(): void
    {
        $kernel = $this->template()->make(Kernel::class);

        self::assertNull((fn () => $this->artisan)->call($kernel));
    }

    public function test_lines_are_written_whole(): void
    {
        $engine = new FakeEngine;
        $output = new LaneOutput($engine, LaneOutput::VERBOSITY_NORMAL, false);
        $output->write('a');
        $output->write(['b', 'c']);
        self::assertSame('', $engine->written);
        $output->writeln('raw', LaneOutput::OUTPUT_RAW);
        self::assertSame("abcraw\n", $engine->written);
        $output->writeln('<info>d</info>');
        $output->writeln('<info>', LaneOutput::OUTPUT_RAW);
        $output->write('never ended');
        self::assertSame("abcraw\nd\n<info>\n", $engine->written);

        $output->setVerbosity(LaneOutput::VERBOSITY_QUIET);
        $output->writeln('raw', LaneOutput::OUTPUT_RAW);
        self::assertSame("abcraw\nd\n<info>\n", $engine->written);
    }

    private function template(): \Illuminate\Foundation\Application
    {
        Laravel::forgetListeners();
        $settings = new Settings(
            __DIR__.'/app/bootstrap/app.php', 'database', 'default', ['name' => 'default'], ['--force' => true], false, 5, 'auto', [], 1, false, [], 512, 2.0, 100, 32, false, null, 1.0, 1.0, 256, 60.0, 10.0,
        );

        return Template::boot($settings->toArray());
    }

    /**
     * @param  list<string>  $found
     * @param  array<int, true>  $seen
     */
    private function walk(mixed $value, string $path, array &$found, array &$seen = [], int $depth = 0): void
    {
        if (is_resource($value) || $value instanceof \Generator || $value instanceof \PDO || $value instanceof \Redis) {
            $found[] = $path;
        }

        if ($depth > 60) {
            return;
        }

        if (is_array($value)) {
            foreach ($value as $key => $item) {
                $this->walk($item, "{$path}[{$key}]", $found, $seen, $depth + 1);
            }
        }

        if (! is_object($value) || isset($seen[spl_object_id($value)])) {
            return;
        }

        $seen[spl_object_id($value)] = true;

        if ($value instanceof self || $value instanceof \KQueue\Testing\FakeEngine) {
            return;
        }

        if ($value instanceof \Closure) {
            $function = new \ReflectionFunction($value);
            $this->walk($function->getClosureThis(), "{$path}→this", $found, $seen, $depth + 1);
            $this->walk($function->getStaticVariables(), "{$path}→use", $found, $seen, $depth + 1);

            return;
        }

        for ($class = new ReflectionObject($value); $class; $class = $class->getParentClass()) {
            foreach ($class->getProperties() as $property) {
                if (! $property->isStatic() && ! $property->isVirtual() && $property->isInitialized($value)) {
                    $this->walk($property->getValue($value), "{$path}→{$property->getName()}", $found, $seen, $depth + 1);
                }
            }
        }
    }
}
