<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use FilesystemIterator;
use PHPUnit\Framework\TestCase;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;

/** The namespaces of php/src lie above each other: none imports one that imports it, on whatever way, and nothing imports Console. */
final class NamespacesTest extends TestCase
{
    private const ROOT = __DIR__.'/../../php/src/';

    public function test_no_namespace_imports_itself_through_others(): void
    {
        $left = $this->imports();

        // What imports nothing that is left lies below the rest.
        do {
            $before = $left;
            $left = array_filter($left, static fn (array $imported): bool => array_intersect_key($imported, $before) !== []);
            // And what nothing that is left imports lies above it.
            $left = array_filter($left, static fn (string $namespace): bool => array_filter($left, static fn (array $imported): bool => isset($imported[$namespace])) !== [], ARRAY_FILTER_USE_KEY);
        } while ($left !== $before);

        $shown = [];

        foreach ($left as $namespace => $imported) {
            foreach (array_intersect_key($imported, $left) as $other => $where) {
                $shown[] = "{$namespace} imports {$other}: ".implode(', ', $where);
            }
        }

        self::assertSame([], $shown, 'These namespaces lie in a circle, or between two');
    }

    public function test_only_the_provider_imports_the_console_and_nothing_imports_the_provider_or_what_is_for_tests(): void
    {
        foreach ($this->imports() as $namespace => $imported) {
            self::assertSame([], $imported['Testing'] ?? [], $namespace);
            self::assertSame([], $imported[''] ?? [], $namespace);
            $namespace === '' || self::assertSame([], $imported['Console'] ?? [], $namespace);
        }
    }

    public function test_what_is_imported_is_there_and_used(): void
    {
        foreach ($this->files() as $file) {
            $code = (string) file_get_contents($file);
            preg_match_all('/^use (KQueue\\\\[\w\\\\]+);/m', $code, $uses);
            $rest = (string) preg_replace('/^use .*;$/m', '', $code);

            foreach ($uses[1] as $class) {
                self::assertTrue(class_exists($class) || interface_exists($class) || trait_exists($class), "{$class}, which {$file} imports");
                self::assertSame(1, preg_match('/\b'.preg_quote(substr((string) strrchr($class, '\\'), 1), '/').'\b/', $rest), "{$file} imports {$class} in vain");
            }
        }
    }

    /** @return array<string, array<string, list<string>>> by namespace, what it imports, and where; the root is "" */
    private function imports(): array
    {
        $imports = [];

        foreach ($this->files() as $file) {
            $code = (string) file_get_contents($file);
            $path = substr($file, strlen((string) realpath(self::ROOT)) + 1);
            $own = str_contains($path, '/') ? strtok($path, '/') : '';
            $imports[$own] ??= [];

            // Imported, or named in full or from the root.
            preg_match_all($own === '' ? '/(?:^use KQueue\\\\|(?<![\w\\\\]))([A-Z]\w+)\\\\[A-Z]/m' : '/\bKQueue\\\\(?:([A-Z]\w+)\\\\)?[A-Z]\w+/', $this->withoutComments($code), $found);

            foreach (array_unique($found[1]) as $other) {
                if ($other !== $own && ($other === '' ? preg_match('/^use KQueue\\\\(?!Engine\b|Runtime\b)[A-Z]\w+;/m', $code) === 1 : is_dir(self::ROOT.$other))) {
                    $imports[$own][$other][] = $path;
                }
            }
        }

        self::assertGreaterThan(10, count($imports));

        return $imports;
    }

    private function withoutComments(string $code): string
    {
        $kept = array_filter(token_get_all($code), static fn (array|string $token): bool => ! in_array($token[0], [T_COMMENT, T_DOC_COMMENT], true));

        return implode('', array_map(static fn (array|string $token): string => is_array($token) ? $token[1] : $token, $kept));
    }

    /** @return list<string> */
    private function files(): array
    {
        $files = [];

        foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator((string) realpath(self::ROOT), FilesystemIterator::SKIP_DOTS)) as $file) {
            $files[] = $file->getPathname();
        }

        sort($files);

        return $files;
    }
}
