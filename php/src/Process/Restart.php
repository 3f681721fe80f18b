<?php

declare(strict_types=1);

namespace KQueue\Process;

use KQueue\Application\Template;
use KQueue\Contracts\LaneRun;
use KQueue\Contracts\ProgramRestart;
use KQueue\Engine\NativeEngine;

/**
 * Where lanes boot the application themselves, they begin from the process as it was before it had one: the program is started anew,
 * and the template is taken right after the autoloader. A second boot in a process that has booted loses what PHP does once.
 */
final class Restart
{
    /** What the runner ends with if the master is to start the program anew. */
    public const STATUS = 250;

    /** For the file that runs before artisan: the application's autoloader. */
    private const AUTOLOADER = 'KQUEUE_AUTOLOADER';

    private const PREPEND = __DIR__.'/../../before-artisan.php';

    /** Only if this process is the command: a program that calls it is not ours to start anew. */
    public static function isPossible(LaneRun $engine): bool
    {
        return $engine instanceof ProgramRestart && $engine->startedWith('kqueue:run') && self::autoloader() !== null;
    }

    public static function now(ProgramRestart $engine): void
    {
        putenv(self::AUTOLOADER.'='.self::autoloader());
        $engine->restart((string) realpath(self::PREPEND));
    }

    /** Before artisan, after the autoloader: lanes begin from the process as it is now. */
    public static function begin(): void
    {
        putenv(self::AUTOLOADER);
        unset($_ENV[self::AUTOLOADER], $_SERVER[self::AUTOLOADER]);

        (new NativeEngine)->template(null, Template::SHARED);
    }

    /** The first file that artisan requires. */
    private static function autoloader(): ?string
    {
        foreach (get_included_files() as $file) {
            if (basename($file) === 'autoload.php') {
                return $file;
            }
        }

        return null;
    }
}
