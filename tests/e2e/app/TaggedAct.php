<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

/** Known to Horizon by a tag of its own. */
class TaggedAct extends Act
{
    public string $tag = '';

    /** @return list<string> */
    public function tags(): array
    {
        return $this->tag === '' ? [] : [$this->tag, 'all'];
    }
}
