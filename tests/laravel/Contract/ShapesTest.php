<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Contract;

use KQueue\Contracts\Engine;
use KQueue\Contracts\ProgramRestart;
use KQueue\Engine as Native;
use KQueue\Process\LostJobs;
use PHPUnit\Framework\TestCase;
use ReflectionClass;
use ReflectionMethod;

/** The extension's stub and the package's contracts say the same of what goes between them. */
final class ShapesTest extends TestCase
{
    public function test_every_method_of_the_contracts_is_the_extensions(): void
    {
        foreach ($this->methods() as $method) {
            if ($method->name !== 'available') {
                self::assertTrue(method_exists(Native::class, $method->name), "{$method->name}() is not the extension's");
                self::assertSame(
                    array_map(static fn ($parameter): string => $parameter->name, $method->getParameters()),
                    array_map(static fn ($parameter): string => $parameter->name, (new ReflectionMethod(Native::class, $method->name))->getParameters()),
                    "{$method->name}()",
                );
            }
        }
    }

    public function test_shapes_of_stub_and_contracts_are_equal(): void
    {
        $compared = [];

        foreach ($this->methods() as $method) {
            $tags = ['@return ', ...array_map(static fn ($parameter): string => "\${$parameter->name}", $method->getParameters())];

            foreach ($tags as $tag) {
                $contract = self::shape((string) $method->getDocComment(), $tag);
                $stub = self::shape((string) Shape::stubDoc($method->name), $tag);

                if ($contract !== null || $stub !== null) {
                    $compared[] = $method->name;
                    self::assertSame($stub?->types, $contract?->types, "{$method->name}() {$tag}");
                }
            }
        }

        sort($compared);
        self::assertSame(['fresh', 'isolate', 'reserved', 'supervise', 'supervise', 'template', 'usage'], $compared);
    }

    /** What takes the jobs of a dead runner is given what the contract says. */
    public function test_the_rescue_expects_what_it_is_given(): void
    {
        $given = self::shape((string) Shape::stubDoc('supervise'), '$rescue');
        $expected = self::shape((string) (new ReflectionMethod(LostJobs::class, '__invoke'))->getDocComment(), '$job');

        // It makes do with less, as its tests give it.
        $names = array_map(static fn (string $key): string => rtrim($key, '?'), array_keys($expected->types ?? []));
        self::assertSame($given?->types, array_combine($names, $expected->types ?? []));
    }

    /** The shape in the type of the @return, or of the @param of this name. */
    private static function shape(string $doc, string $tag): ?Shape
    {
        $doc = (string) preg_replace('/\s*\n\s*\* ?\s*/', ' ', $doc);

        if ($tag === '@return ') {
            return Shape::in($doc, $tag);
        }

        foreach (array_slice(explode('@param', $doc), 1) as $param) {
            // The type ends at the first name outside of all brackets.
            for ($depth = $at = 0; $at < strlen($param) && ($depth > 0 || $param[$at] !== '$'); $at++) {
                $depth += match ($param[$at]) {
                    '{', '(', '<' => 1, '}', ')', '>' => -1, default => 0,
                };
            }

            if (preg_match('/^'.preg_quote($tag, '/').'\b/', substr($param, $at)) === 1) {
                return Shape::in('@param'.substr($param, 0, $at), '@param');
            }
        }

        return null;
    }

    /** @return list<ReflectionMethod> */
    private function methods(): array
    {
        return [...(new ReflectionClass(Engine::class))->getMethods(), ...(new ReflectionClass(ProgramRestart::class))->getMethods()];
    }
}
