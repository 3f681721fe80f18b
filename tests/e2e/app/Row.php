<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\HasMany;

final class Row extends Model
{
    public $timestamps = false;

    protected $fillable = ['owner', 'parent_id', 'kind'];

    public function children(): HasMany
    {
        return $this->hasMany(self::class, 'parent_id');
    }
}
