<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('orders', function (Blueprint $table): void {
            $table->id();
            $table->foreignId('user_id')->constrained();
            $table->string('status');
            $table->unsignedInteger('total')->default(0);
            $table->timestamps();
        });

        Schema::create('order_lines', function (Blueprint $table): void {
            $table->id();
            $table->foreignId('order_id')->constrained()->cascadeOnDelete();
            $table->string('product');
            $table->unsignedInteger('price');
        });

        // One row for each thing that happened to a job of the demo; demo:report counts them.
        Schema::create('demo_events', function (Blueprint $table): void {
            $table->id();
            $table->string('job')->index();
            $table->string('event');
            $table->unsignedInteger('pid');
            $table->double('at');
        });
    }

    public function down(): void
    {
        Schema::dropIfExists('order_lines');
        Schema::dropIfExists('orders');
        Schema::dropIfExists('demo_events');
    }
};
