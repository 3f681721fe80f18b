<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

/** A class of which KQueue is told nothing, and which no other test knows. */
final class UnruledAct extends Act {}
