<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\Support;

use Illuminate\Database\Schema\Blueprint;
use Illuminate\Database\Schema\Builder;

/** What Laravel's migrations make for queues, and a table for jobs to write to. */
final class Tables
{
    public static function create(Builder $schema): void
    {
        self::createJobs($schema);

        $schema->create('failed_jobs', function (Blueprint $table): void {
            $table->id();
            $table->string('uuid');
            $table->text('connection');
            $table->text('queue');
            $table->longText('payload');
            $table->longText('exception');
            $table->timestamp('failed_at')->useCurrent();
        });

        $schema->create('job_batches', function (Blueprint $table): void {
            $table->string('id')->primary();
            $table->string('name');
            $table->integer('total_jobs');
            $table->integer('pending_jobs');
            $table->integer('failed_jobs');
            $table->longText('failed_job_ids');
            $table->mediumText('options')->nullable();
            $table->integer('cancelled_at')->nullable();
            $table->integer('created_at');
            $table->integer('finished_at')->nullable();
        });

        $schema->create('rows', function (Blueprint $table): void {
            $table->id();
            $table->string('owner');
            $table->string('kind');
            $table->unsignedInteger('parent_id')->nullable();
        });
    }

    public static function createJobs(Builder $schema): void
    {
        $schema->create('jobs', function (Blueprint $table): void {
            $table->id();
            $table->string('queue')->index();
            $table->longText('payload');
            $table->unsignedTinyInteger('attempts');
            $table->unsignedInteger('reserved_at')->nullable();
            $table->unsignedInteger('available_at');
            $table->unsignedInteger('created_at');
        });
    }
}
