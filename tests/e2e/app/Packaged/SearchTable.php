<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Packaged;

use Illuminate\Support\Facades\DB;
use Laravel\Scout\Engines\DatabaseEngine;

/** Scout's engine for databases, with a table in the place of the index that a search server would have. */
final class SearchTable extends DatabaseEngine
{
    /** @param  iterable<Post>  $models */
    public function update($models): void
    {
        foreach ($models as $model) {
            DB::table('search_index')->updateOrInsert(['id' => $model->getScoutKey()], $model->toSearchableArray());
        }
    }

    /** @param  iterable<Post>  $models */
    public function delete($models): void
    {
        foreach ($models as $model) {
            DB::table('search_index')->where('id', $model->getScoutKey())->delete();
        }
    }
}
