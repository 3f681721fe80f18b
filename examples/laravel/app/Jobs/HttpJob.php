<?php

namespace App\Jobs;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Queue\Queueable;
use Illuminate\Support\Facades\Http;

/** Asks a slow web service, through Laravel's HTTP client, Guzzle and curl. An ordinary Laravel job. */
class HttpJob implements ShouldQueue
{
    use Queueable;

    public int $tries = 3;

    public function __construct(public string $url) {}

    public function handle(): void
    {
        Http::timeout(30)->get($this->url)->throw();
    }
}
