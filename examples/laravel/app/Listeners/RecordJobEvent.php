<?php

namespace App\Listeners;

use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobReleasedAfterException;
use Illuminate\Support\Facades\DB;

/** Writes down what Laravel's own events say of each job, for demo:report. Laravel finds this listener by itself. */
class RecordJobEvent
{
    public function handle(JobProcessed|JobFailed|JobReleasedAfterException $event): void
    {
        if (! ($event instanceof JobProcessed && ($event->job->hasFailed() || $event->job->isReleased()))) {
            $this->insert($event);
        }
    }

    private function insert(object $event): void
    {
        DB::table('demo_events')->insert([
            'job' => $event->job->resolveName(),
            'event' => match (true) {
                $event instanceof JobFailed => 'failed',
                $event instanceof JobReleasedAfterException => 'retried',
                default => 'done',
            },
            'pid' => getmypid(),
            'at' => microtime(true),
        ]);
    }
}
