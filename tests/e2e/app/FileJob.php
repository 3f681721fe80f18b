<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Container\Container;
use Illuminate\Contracts\Queue\Job as JobContract;
use Illuminate\Queue\Jobs\Job;

final class FileJob extends Job implements JobContract
{
    /** @param  array<string, mixed>  $reserved  as it is in the file */
    public function __construct(Container $container, private readonly FileQueue $file, string $connection, private readonly array $reserved)
    {
        $this->container = $container;
        $this->connectionName = $connection;
        $this->queue = $reserved['queue'];
    }

    public function delete(): void
    {
        parent::delete();
        $this->file->finish($this->reserved, null);
    }

    public function release($delay = 0): void
    {
        parent::release($delay);
        $this->file->finish($this->reserved, (int) $delay);
    }

    public function attempts(): int
    {
        return $this->reserved['attempts'];
    }

    public function getJobId(): string
    {
        return $this->reserved['id'];
    }

    public function getRawBody(): string
    {
        return $this->reserved['payload'];
    }
}
