<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Packaged;

use Illuminate\Database\Eloquent\Model;
use Spatie\MediaLibrary\HasMedia;
use Spatie\MediaLibrary\InteractsWithMedia;
use Spatie\MediaLibrary\MediaCollections\Models\Media;

/** What spatie/laravel-medialibrary keeps a picture of, and makes a small one of it by a job of its own. */
final class Album extends Model implements HasMedia
{
    use InteractsWithMedia;

    public $timestamps = false;

    protected $guarded = [];

    public function registerMediaConversions(?Media $media = null): void
    {
        $this->addMediaConversion('small')->width(16)->nonOptimized();
    }
}
