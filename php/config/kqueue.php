<?php

return [

    /*
     * How many jobs run at once in one process; each has a lane of its own. `--concurrency` overrides it.
     */
    'concurrency' => (int) env('KQUEUE_CONCURRENCY', 50),

    /*
     * How lanes come to be: "cloned" copies the booted process, which takes a fraction of a millisecond; "booted" boots the
     * application for each lane, from the process as it was before it had one; "auto" clones unless the application holds
     * something that cannot be copied, and then says so.
     */
    'lanes' => env('KQUEUE_LANES', 'auto'),

    /*
     * true: every job runs in a pristine lane, and nothing that it changes is seen by the next: no static property, singleton,
     * config value or connection. Costs a copy of the application for each job, and its connections. `--fresh` does the same, and
     * `public bool $fresh = true` on a job class asks for it for these jobs only.
     */
    'fresh' => (bool) env('KQUEUE_FRESH', false),

    /*
     * Classes whose objects all cloned lanes share instead of copying. Only for objects that no job changes.
     */
    'shared' => [],

    /*
     * Jobs that always run isolated, in a process of their own: class names or patterns such as "App\Jobs\Reports\*".
     * A job class can say the same with `public ?bool $isolated = true`.
     */
    'isolate' => [],

    /*
     * What a job may cost the others in its process. A class whose job had the processor for `slice` seconds without a pause, or
     * used `memory` MB (its own `$maxMemory`, if it has one), or took the process down, runs isolated from then on; the log says why,
     * `php artisan kqueue:profile` shows and resets it. 0 turns a limit off; both 0: nothing is measured, and a class that took the
     * process down is not isolated either. Classes that say `$isolated` themselves, true or false, are left alone.
     */
    'auto' => [
        'slice' => (float) env('KQUEUE_AUTO_SLICE', 1.0),
        'memory' => (int) env('KQUEUE_AUTO_MEMORY', 256),

        // After so many seconds the class is tried in a lane again; twice as long each time that it misbehaves there. 0: never.
        'probation' => (float) env('KQUEUE_AUTO_PROBATION', 3600.0),
    ],

    /*
     * A lane opens connections when its jobs use them, and keeps them for its next job: until it has had none for `idle` seconds
     * (0: for ever), or until other lanes need them. `max` is how many lanes may be connected to a database at once, by the name of
     * the connection: jobs beyond wait for one that is free, instead of failing with "too many connections". Take what the server
     * allows (max_connections), less `isolated` and what others use: neither is counted here.
     */
    'connections' => [
        'idle' => (float) env('KQUEUE_CONNECTIONS_IDLE', 60.0),
        'max' => [
            // 'mysql' => 100,
        ],
    ],

    /*
     * Seconds without a job after which the application of a lane, or of an isolated child, ends as that of a worker does, if it has run
     * one: WorkerStopping and the callbacks of terminating() are called, and what packages have kept in memory is written at
     * the latest then. The next job begins with a pristine one. 0: only as the run ends.
     */
    'flush' => (float) env('KQUEUE_FLUSH', 10.0),

    /*
     * true: `queue:work` and whatever else asks Laravel for its worker (`runNextJob()`, tests) gets KQueue's: Laravel's
     * own in the calling process and application, whose jobs end as they do in `kqueue:run`.
     */
    'worker' => (bool) env('KQUEUE_WORKER', false),

    /*
     * How many isolated jobs run at once; null is the number of CPU cores that the process may use (its affinity, as of taskset or
     * cpusets, and the quota of its control group, as of `docker run --cpus`). `--isolated` overrides it.
     */
    'isolated' => env('KQUEUE_ISOLATED'),

    /*
     * MB that one job may use, unless it has `public ?int $maxMemory`; 0 is no limit. In a lane a job that uses more gets an exception
     * (KQueue\Exception\OutOfMemory), and so fails alone; an isolated one dies of PHP's memory_limit. All lanes together may have four
     * times --memory and this.
     */
    'max_memory' => (int) env('KQUEUE_MAX_MEMORY', 512),

    /*
     * Seconds between SIGTERM and SIGKILL for an isolated job that is over its timeout.
     */
    'grace' => (float) env('KQUEUE_GRACE', 2.0),

    /*
     * Isolated jobs after which their process is replaced by a fresh one; 1 is a new process for each job.
     */
    'child_jobs' => (int) env('KQUEUE_CHILD_JOBS', 100),

];
