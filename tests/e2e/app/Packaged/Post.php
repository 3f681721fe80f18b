<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Packaged;

use Illuminate\Database\Eloquent\Model;
use Laravel\Scout\Searchable;

/** What laravel/scout searches. */
final class Post extends Model
{
    use Searchable;

    public $timestamps = false;

    protected $guarded = [];

    /** @return array<string, mixed> */
    public function toSearchableArray(): array
    {
        return ['title' => $this->getAttribute('title')];
    }
}
