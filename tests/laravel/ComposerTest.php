<?php

declare(strict_types=1);

namespace KQueue\Tests\Laravel;

use FilesystemIterator;
use PHPUnit\Framework\TestCase;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;

/** What the package imports of others, it requires. */
final class ComposerTest extends TestCase
{
    private const ROOT = __DIR__.'/../..';

    /** Packages by the beginning of the names of their classes; of Illuminate each namespace is one, except Foundation. */
    private const PACKAGES = [
        'Carbon' => 'nesbot/carbon',
        'Illuminate\Foundation' => 'laravel/framework',
        'Monolog' => 'monolog/monolog',
        'Symfony\Component\Console' => 'symfony/console',
    ];

    /** Of those whom KQueue\Testing serves, and what is asked for with class_exists() before it is used. */
    private const OPTIONAL = ['PHPUnit', 'Laravel\SerializableClosure', 'Symfony\Component\VarDumper'];

    public function test_every_package_that_is_imported_is_required(): void
    {
        $composer = json_decode((string) file_get_contents(self::ROOT.'/composer.json'), true, flags: JSON_THROW_ON_ERROR);
        $required = $composer['require'];
        $used = [];

        foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator(self::ROOT.'/php/src', FilesystemIterator::SKIP_DOTS)) as $file) {
            preg_match_all('/^use (?:function )?((?!KQueue)\w+\\\\\w+(?:\\\\\w+)*)/m', (string) file_get_contents($file->getPathname()), $found);

            foreach ($found[1] as $class) {
                $package = $this->packageOf($class);
                $package === null || $used[$package] = true;
            }
        }

        ksort($used);
        self::assertSame([], array_keys(array_diff_key($used, $required)), 'used and not required');
        self::assertSame([], array_keys(array_diff_key($required, $used, ['php' => true])), 'required and not used');
        self::assertSame(['phpunit/phpunit', 'phpstan/phpstan', 'laravel/pint'], array_reverse(array_keys($composer['require-dev'])));
    }

    private function packageOf(string $class): ?string
    {
        foreach (self::OPTIONAL as $prefix) {
            if (str_starts_with($class, "{$prefix}\\")) {
                return null;
            }
        }

        foreach (self::PACKAGES as $prefix => $package) {
            if (str_starts_with($class, "{$prefix}\\")) {
                return $package;
            }
        }

        self::assertStringStartsWith('Illuminate\\', $class, "No package is known for {$class}.");

        return 'illuminate/'.strtolower(explode('\\', $class)[1]);
    }
}
