<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Contract;

use Closure;
use KQueue\Contracts\Engine;
use PHPUnit\Framework\Attributes\RunInSeparateProcess;
use PHPUnit\Framework\TestCase;
use ReflectionMethod;
use RuntimeException;
use stdClass;
use Throwable;

/** What php/src/Contracts promises, held against each engine: the package may rely on nothing that one of them does not keep. */
abstract class EngineContract extends TestCase
{
    /** An engine that has had no run. */
    abstract protected function engine(): Engine;

    public function test_it_is_available_and_knows_the_processors(): void
    {
        self::assertTrue($this->engine()->available());
        self::assertGreaterThanOrEqual(1, $this->engine()->cores());
    }

    public function test_the_first_stop_ends_the_run_and_its_status_and_reason_stay(): void
    {
        $engine = $this->engine();

        $seen = $this->inLane($engine, static function (Engine $engine, stdClass $seen): void {
            $seen->before = [$engine->isStopping(), $engine->isPaused(), $engine->exitStatus(), $engine->stopReason()];
            $seen->leads = $engine->lead();
            $engine->stop(3, 'first');
            $engine->stop(0, 'second');
            $seen->after = [$engine->isStopping(), $engine->exitStatus(), $engine->stopReason(), $engine->lead()];
        });

        self::assertSame([false, false, 0, null], $seen->before);
        self::assertTrue($seen->leads);
        self::assertSame([true, 3, 'first', false], $seen->after);
        self::assertSame([true, 3, 'first'], [$engine->isStopping(), $engine->exitStatus(), $engine->stopReason()]);
    }

    public function test_a_job_is_in_flight_from_reserved_to_finished(): void
    {
        $engine = $this->engine();

        $seen = $this->inLane($engine, static function (Engine $engine, stdClass $seen): void {
            $look = static fn (): array => [$engine->jobsReserved(), $engine->jobsInFlight(), $engine->sinceLastFinished() === null];
            $engine->lead();
            $seen->looks = [$look()];
            self::reserve($engine);
            $seen->looks[] = $look();
            $engine->begin(60.0, static fn (int $signal) => null, 0);
            $seen->timedOut = $engine->timedOut();
            $engine->finished();
            $seen->looks[] = $look();
        });

        self::assertSame([[0, 0, true], [1, 1, true], [1, 0, false]], $seen->looks);
        self::assertFalse($seen->timedOut);
        self::assertSame([1, 0], [$engine->jobsReserved(), $engine->jobsInFlight()]);
        self::assertGreaterThanOrEqual(0.0, $engine->sinceLastFinished());
        self::assertLessThan(60.0, $engine->sinceLastFinished());
    }

    public function test_a_lane_that_returns_is_replaced_and_finds_what_others_have_noted(): void
    {
        $seen = new stdClass;
        $seen->notes = [];
        $engine = $this->engine();

        $engine->run(static function () use ($engine, $seen): void {
            $engine->lead();
            $seen->notes[] = $engine->note('name', count($seen->notes) === 1 ? '' : 'text '.count($seen->notes));

            if (count($seen->notes) === 3) {
                $seen->notes[] = $engine->note('name');
                $seen->notes[] = $engine->note('another');
                $engine->stop(0, 'done');
            }

            // So that it leads again, or another does.
            self::reserve($engine);
            $engine->finished();
        }, 1, false);

        self::assertSame(['', 'text 0', '', 'text 2', ''], $seen->notes);
    }

    public function test_permits_that_nobody_waits_for_are_had_at_once(): void
    {
        $seen = $this->inLane($this->engine(), static function (Engine $engine, stdClass $seen): void {
            $engine->lead();
            $one = $engine->permit('one', 2);
            $other = $engine->permit('other', 1);
            $seen->differ = $one !== $other;
            $seen->wanted = $engine->wanted();
            $engine->release($one);
            $engine->release($one);
            $engine->release($other);
            $engine->release(123456789);
            $seen->again = is_int($engine->permit('other', 1));
        });

        self::assertTrue($seen->differ);
        self::assertSame([], $seen->wanted);
        self::assertTrue($seen->again);
    }

    public function test_what_is_called_in_between_passes_through(): void
    {
        $seen = $this->inLane($this->engine(), static function (Engine $engine, stdClass $seen): void {
            $engine->lead();
            $seen->short = $engine->isShort();
            $engine->idle(0.001);
            $engine->settling(true);
            $engine->settling(false);
            $seen->returned = $engine->contain(static function () use ($seen): string {
                return $seen->called = 'called';
            });

            try {
                $engine->contain(static fn () => throw new RuntimeException('passes through'));
            } catch (RuntimeException $e) {
                $seen->thrown = $e->getMessage();
            }
        });

        self::assertFalse($seen->short);
        self::assertTrue($seen->returned);
        self::assertSame('called', $seen->called);
        self::assertSame('passes through', $seen->thrown);
    }

    public function test_usage_has_the_promised_shape(): void
    {
        $seen = $this->inLane($this->engine(), static function (Engine $engine, stdClass $seen): void {
            $engine->lead();
            self::reserve($engine);
            $engine->begin(null, null, 0);
            $engine->finished();
            $seen->usage = $engine->usage();
        });

        Shape::ofReturn($this->method('usage'))->assertFits($seen->usage);
    }

    public function test_a_template_has_the_promised_shape(): void
    {
        $engine = $this->engine();
        $template = $engine->template(static fn () => null, []);

        Shape::ofReturn($this->method('template'))->assertFits($template);
        self::assertSame([], $template['refused']);
        self::assertTrue($engine->hasTemplate());
    }

    public function test_a_fresh_job_asks_its_lane(): void
    {
        $seen = $this->inLane($engine = $this->engine(), static function (Engine $engine, stdClass $seen): void {
            $engine->lead();
            self::reserve($engine);
            $engine->begin(null, null, 0);
            $seen->outcome = $engine->fresh(
                'request',
                static fn (string $request): string => "{$request}, {$engine->ask('why')}",
                static fn (string $question): string => "answer to {$question}",
            );
            $engine->finished();
        });

        Shape::ofReturn($this->method('fresh'))->assertFits($seen->outcome);
        self::assertSame(['status' => 'done', 'result' => 'request, answer to why', 'reason' => ''], $seen->outcome);
        self::assertTrue($engine->isStopping());
    }

    /** With processes, which are forked before there are hooks: what happens in the runner comes back in a file. */
    #[RunInSeparateProcess]
    public function test_a_run_has_an_isolated_child_that_asks_its_lane(): void
    {
        $engine = $this->engine();
        $file = (string) tempnam(sys_get_temp_dir(), 'kqueue-contract-');

        try {
            $status = $engine->supervise(
                ['isolated' => 1, 'memory_limit' => 64, 'grace' => 1.0, 'child_jobs' => 10, 'flush' => 0.0],
                static function () use ($engine, $file): int {
                    try {
                        $seen = self::inLane($engine, self::isolated(...));
                        file_put_contents($file, serialize($seen->outcome));
                    } catch (Throwable $e) {
                        file_put_contents($file, serialize((string) $e));
                    }

                    return 7;
                },
                static fn (string $request): string => $request === '' ? '' : "{$request}, {$engine->ask('why')}",
                static fn (array $job) => null,
            );
            $outcome = unserialize((string) file_get_contents($file));
        } finally {
            unlink($file);
        }

        self::assertSame(7, $status);
        self::assertSame(['status' => 'done', 'result' => 'request, answer to why', 'reason' => ''], $outcome);
        Shape::ofReturn($this->method('isolate'))->assertFits($outcome);
    }

    private static function isolated(Engine $engine, stdClass $seen): void
    {
        $engine->lead();
        self::reserve($engine);
        $seen->outcome = $engine->isolate('request', static fn (string $question): string => "answer to {$question}", 30.0, 64, 1);
        $engine->finished();
    }

    /** @param  Closure(Engine, stdClass): void  $body  in the first lane of a run, which ends with it; notes what it sees */
    protected static function inLane(Engine $engine, Closure $body): stdClass
    {
        $seen = new stdClass;

        $engine->run(static function () use ($engine, $body, $seen): void {
            try {
                $body($engine, $seen);
            } finally {
                $engine->stop(0, 'done');
            }
        }, 1, false);

        return $seen;
    }

    protected static function reserve(Engine $engine): void
    {
        $engine->reserved(['id' => '1', 'class' => 'Job', 'connection' => 'connection', 'queue' => 'default', 'attempts' => 1]);
    }

    private function method(string $name): ReflectionMethod
    {
        return new ReflectionMethod(Engine::class, $name);
    }
}
