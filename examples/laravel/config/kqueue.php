<?php

return [

    /*
     * How many jobs run at once in one process; each has a lane of its own. `--concurrency` overrides it.
     */
    'concurrency' => (int) env('KQUEUE_CONCURRENCY', 50),

    /*
     * How lanes come to be: "cloned" copies the booted application, which takes a fraction of a millisecond; "booted" boots it
     * once more for each lane; "auto" clones unless the application holds something that cannot be copied, and then says so.
     */
    'lanes' => env('KQUEUE_LANES', 'auto'),

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
     * How many isolated jobs run at once; null is the number of CPU cores that the process may use (its affinity, as of taskset or
     * cpusets, and the quota of its control group, as of `docker run --cpus`). `--isolated` overrides it.
     */
    'isolated' => env('KQUEUE_ISOLATED'),

    /*
     * MB that one isolated job may use, unless it has `public ?int $maxMemory`; 0 is no limit.
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
