<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Contract;

use KQueue\Contracts\Engine;
use KQueue\Engine as Native;
use KQueue\Engine\NativeEngine;

/** The extension keeps the contract, and returns what the stub says. */
final class NativeEngineTest extends EngineContract
{
    protected function engine(): Engine
    {
        return new NativeEngine;
    }

    public function test_exit_is_survived_and_a_second_run_begins_anew(): void
    {
        $body = static function (Engine $engine, \stdClass $seen): void {
            $engine->lead();
            $seen->note = $engine->note('name', 'text');
            $seen->stopping = $engine->isStopping();
            $seen->returned = $engine->contain(static fn () => exit(3));
        };

        foreach ([1, 2] as $run) {
            $seen = self::inLane($this->engine(), $body);
            self::assertSame(['note' => '', 'stopping' => false, 'returned' => false], (array) $seen, "run {$run}");
        }
    }

    public function test_state_is_what_the_stub_says_in_a_run_and_after_it(): void
    {
        $shape = Shape::ofStub('state');
        $seen = self::inLane($this->engine(), static function (Engine $engine, \stdClass $seen): void {
            $seen->state = Native::state();
        });

        $shape->assertFits($seen->state);
        $shape->assertFits(Native::state());
    }
}
