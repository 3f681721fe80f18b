<?php

declare(strict_types=1);

namespace KQueue\Child;

use Illuminate\Database\DatabaseManager;
use Illuminate\Queue\Jobs\Job;
use KQueue\Contracts\ChildLink;
use KQueue\Exception\QueueRefused;
use PDO;
use Throwable;

/**
 * What a job object does in an isolated child: the real one stays in the lane that reserved it, on that lane's connection, and is
 * deleted or released there when this one asks for it.
 *
 * Of Laravel's classes, only Job's own part is called, which takes note; what its subclasses do would reach the queue.
 */
trait RemoteJobActions
{
    private readonly ChildLink $link;

    /** @var array{connection: string, queue: string, id: string|int|null, attempts: int, body: string, reserved: string|null} */
    private readonly array $request;

    /** @var list<array{string, int}> what the lane is asked when the job's transaction is over */
    private array $kept = [];

    #[\Override]
    public function delete()
    {
        Job::delete();

        $this->ask('delete');
    }

    /** @param  \DateTimeInterface|\DateInterval|int  $delay */
    #[\Override]
    public function release($delay = 0)
    {
        Job::release($delay);

        $this->ask('release', $this->secondsUntil($delay));
    }

    /** The lane is told before and after: if this process dies in between, it records the failure itself. */
    #[\Override]
    public function fail($e = null)
    {
        $first = ! $this->hasFailed() && ! $this->isDeleted();

        if ($first) {
            $this->ask('fail');
        }

        Job::fail($e);

        if ($first) {
            $this->ask('failed');
        }
    }

    public function attempts()
    {
        return $this->request['attempts'];
    }

    #[\Override]
    public function getJobId()
    {
        return $this->request['id'];
    }

    #[\Override]
    public function getRawBody()
    {
        return $this->request['body'];
    }

    /** Whoever fails over loading the job's class may not load it where all lanes would fall with it: the lane is told before and after. */
    public function loadClass(): void
    {
        $class = $this->payload()['data']['commandName'] ?? null;

        if (! is_string($class) || class_exists($class, false)) {
            return;
        }

        $this->askNow('load', 0);

        try {
            class_exists($class);
        } catch (Throwable) {
            // It is thrown again where Laravel deals with it.
        }

        $this->askNow('loaded', 0);
    }

    /**
     * What waited for the job's transaction to end is asked now, unless it is open still.
     *
     * @param  bool  $rolledBack  it was not the job that ended it: what was recorded of a failure is gone with it, and the lane does it again
     */
    public function askWhatWaited(bool $rolledBack = false): void
    {
        if ($this->holdsTheQueue()) {
            return;
        }

        [$kept, $this->kept] = [$this->kept, []];

        foreach ($kept as [$action, $delay]) {
            $this->askNow($action, $delay);
        }

        if ($rolledBack && $kept !== [] && $this->hasFailed()) {
            $this->askNow('unrecorded', 0);
        }
    }

    private function ask(string $action, int $delay = 0): void
    {
        // Of the failure, which nobody has recorded yet, the lane hears at once: it writes nothing.
        if ($action !== 'fail' && ($this->kept !== [] || $this->holdsTheQueue())) {
            $this->kept[] = [$action, $delay];
        } else {
            $this->askNow($action, $delay);
        }
    }

    /** SQLite lets one connection write: while this job has a transaction open, its lane would wait for it in vain. */
    private function holdsTheQueue(): bool
    {
        if ($this->container['config']["queue.connections.{$this->request['connection']}.driver"] !== 'database' || ! $this->container->resolved('db')) {
            return false;
        }

        /** @var DatabaseManager $databases */
        $databases = $this->container->make('db');

        foreach ($databases->getConnections() as $connection) {
            $pdo = $connection->getRawPdo();

            if ($connection->getDriverName() === 'sqlite' && ($connection->transactionLevel() > 0 || $pdo instanceof PDO && $pdo->inTransaction())) {
                return true;
            }
        }

        return false;
    }

    private function askNow(string $action, int $delay): void
    {
        $answer = $this->link->ask(serialize(['action' => $action, 'delay' => $delay]));

        if ($answer !== '') {
            throw QueueRefused::to($action, $answer);
        }
    }
}
