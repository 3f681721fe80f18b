<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use FilesystemIterator;
use KQueue\Exception\InvalidOption;
use KQueue\Exception\KQueueException;
use PHPUnit\Framework\TestCase;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;
use ReflectionClass;
use Throwable;

/** All that KQueue throws is in one namespace and has one interface, whether the extension or the package defines it. */
final class ExceptionsTest extends TestCase
{
    private const ROOT = __DIR__.'/../..';

    public function test_every_exception_of_the_package_is_in_the_namespace_and_has_the_interface(): void
    {
        $found = 0;

        foreach ($this->classes() as $class) {
            if (is_subclass_of($class, Throwable::class)) {
                $found++;
                self::assertStringStartsWith('KQueue\Exception\\', $class);
                self::assertTrue(is_a($class, KQueueException::class, true), "{$class} is no KQueueException");
            }
        }

        self::assertSame(count((array) glob(self::ROOT.'/php/src/Exception/*.php')) - 1, $found);
    }

    /** Composer loads the package's file only where there is no extension. */
    public function test_what_the_package_and_the_extension_both_declare_is_declared_alike(): void
    {
        $stub = (string) file_get_contents(self::ROOT.'/stubs/kqueue.stub.php');
        preg_match_all('/^    ((?:class|interface) (\w+) extends [^{]+?) \{\}$/m', substr($stub, (int) strpos($stub, 'namespace KQueue\Exception {')), $declared);
        $native = str_replace([' \\', ', '], [' ', ', '], array_combine($declared[2], $declared[1]));
        $both = 0;

        foreach ((array) glob(self::ROOT.'/php/src/Exception/*.php') as $file) {
            $name = basename((string) $file, '.php');

            if (isset($native[$name])) {
                $both++;
                self::assertStringContainsString("\n{$native[$name]} {}\n", (string) file_get_contents((string) $file));
            }
        }

        self::assertSame(3, $both);
    }

    public function test_the_package_can_throw_without_the_extension(): void
    {
        $code = 'spl_autoload_register(static fn (string $class) => require $argv[1]."/".strtr(substr($class, 7), "\\\\", "/").".php");'
            .'try { throw KQueue\Exception\InvalidOption::noExtension(); } catch (KQueue\Exception\KQueueException $e) { echo $e::class, " "; }'
            .'echo get_class(new KQueue\Exception\JobExited), " ", get_class(new KQueue\Exception\ChildDied), " ", json_encode(extension_loaded("kqueue"));';

        // tools/php is this one with the extension added.
        $private = dirname((string) getenv('LARAVEL_PHP_DIR'), 2).'/bin/php';
        exec(escapeshellarg(is_executable($private) ? $private : PHP_BINARY).' -n -r '.escapeshellarg($code).' '.escapeshellarg(self::ROOT.'/php/src').' 2>&1', $output);

        self::assertSame(InvalidOption::class.' KQueue\Exception\JobExited KQueue\Exception\ChildDied false', implode("\n", $output));
    }

    /** @return list<class-string> */
    private function classes(): array
    {
        $folder = realpath(self::ROOT.'/php/src').'/';
        $classes = [];

        foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS)) as $file) {
            $class = 'KQueue\\'.strtr(substr($file->getPathname(), strlen($folder), -4), '/', '\\');

            if (! str_ends_with($class, 'Concurrency\ConcurrencyDriver') && class_exists($class)) {
                $classes[] = (new ReflectionClass($class))->name;
            }
        }

        return $classes;
    }
}
