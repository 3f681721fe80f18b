<?php

use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\DB;

Artisan::command('demo:clear', function (): void {
    foreach (['jobs', 'failed_jobs', 'job_batches', 'demo_events', 'orders'] as $table) {
        DB::table($table)->delete();
    }
})->purpose('Empty the tables of the demo');
