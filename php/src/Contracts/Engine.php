<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * The extension, as the package uses it; whoever needs a part of it asks for that part. The doc blocks of these interfaces are the
 * contract, and tests/laravel/Contract holds every engine to it. What only the extension can do (ProgramRestart) is no part of it.
 *
 * @internal
 */
interface Engine extends ChildLink, JobDelegation, LaneContext, LaneRun, LineWriter, Supervisor {}
