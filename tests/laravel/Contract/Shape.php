<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel\Contract;

use LogicException;
use PHPUnit\Framework\Assert;
use ReflectionMethod;

/** An array shape, as a doc block has it: array{name: type, other?: type}. */
final class Shape
{
    private const STUB = __DIR__.'/../../../stubs/kqueue.stub.php';

    /** @param  array<string, string>  $types  by key; an optional key ends in "?" */
    private function __construct(public readonly array $types) {}

    public static function ofReturn(ReflectionMethod $method): self
    {
        return self::in((string) $method->getDocComment(), '@return ') ?? throw new LogicException("{$method->name}() has no shape.");
    }

    /** Of a static method of \KQueue\Engine, as the stub describes it; the extension itself has no doc blocks. */
    public static function ofStub(string $method, string $tag = '@return '): self
    {
        $doc = self::stubDoc($method) ?? throw new LogicException("The stub has no {$method}().");

        return self::in($doc, $tag) ?? throw new LogicException("{$method}() has no shape.");
    }

    public static function stubDoc(string $method): ?string
    {
        $stub = (string) file_get_contents(self::STUB);
        $end = strpos($stub, "public static function {$method}(");

        return $end === false ? null : substr($stub, (int) strrpos(substr($stub, 0, $end), '/**'), $end - (int) strrpos(substr($stub, 0, $end), '/**'));
    }

    /** The first shape after the first place where the text has $tag. */
    public static function in(string $doc, string $tag): ?self
    {
        $doc = (string) preg_replace('/\s*\n\s*\* ?\s*/', ' ', $doc);
        $start = strpos($doc, $tag);
        $open = $start === false ? false : strpos($doc, 'array{', $start);

        if ($open === false) {
            return null;
        }

        // A tag's type comes before the next tag.
        $next = strpos($doc, '@', $start + 1);

        return $next !== false && $next < $open ? null : new self(self::members($doc, $open + strlen('array{')));
    }

    /** @return array<string, string> */
    private static function members(string $doc, int $at): array
    {
        $parts = [''];

        for ($depth = 0; $depth > 0 || $doc[$at] !== '}'; $at++) {
            $depth += match ($doc[$at]) {
                '{', '(', '<' => 1, '}', ')', '>' => -1, default => 0,
            };

            if ($depth === 0 && $doc[$at] === ',') {
                $parts[] = '';
            } else {
                $parts[array_key_last($parts)] .= $doc[$at];
            }
        }

        $types = [];

        foreach ($parts as $part) {
            [$name, $type] = explode(':', $part, 2);
            // Names of a callable's parameters are documentation.
            $types[trim($name)] = trim((string) preg_replace(['/ \$\w+/', '/\s+/'], ['', ' '], $type));
        }

        ksort($types);

        return $types;
    }

    public function assertFits(mixed $value): void
    {
        Assert::assertIsArray($value);
        $needed = array_filter(array_keys($this->types), static fn (string $key): bool => ! str_ends_with($key, '?'));
        $known = array_map(static fn (string $key): string => rtrim($key, '?'), array_keys($this->types));
        Assert::assertSame([], array_values(array_diff($needed, array_keys($value))), 'keys that are promised and missing');
        Assert::assertSame([], array_values(array_diff(array_keys($value), $known)), 'keys that are not promised');

        foreach ($value as $key => $member) {
            $type = $this->types[$key] ?? $this->types["{$key}?"];
            Assert::assertTrue(self::fits($member, $type), "{$key} is ".var_export($member, true).", not {$type}");
        }
    }

    private static function fits(mixed $value, string $type): bool
    {
        foreach (explode('|', $type) as $one) {
            $fits = match (true) {
                str_starts_with($one, "'") => $value === trim($one, "'"),
                str_starts_with($one, 'list<') => is_array($value) && array_is_list($value),
                default => get_debug_type($value) === $one,
            };

            if ($fits) {
                return true;
            }
        }

        return false;
    }
}
