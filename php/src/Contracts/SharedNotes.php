<?php

declare(strict_types=1);

namespace KQueue\Contracts;

/**
 * Texts that all lanes of a run share. Each run MUST begin with none.
 *
 * @internal
 */
interface SharedNotes
{
    /** @return string the text of this name, as it was before; with $text, that one takes its place, and an empty one removes it */
    public function note(string $name, ?string $text = null): string;
}
