<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Database\Connection;
use Illuminate\Database\SQLiteConnection;

/**
 * What `'transaction_mode' => 'IMMEDIATE'` does, for a Laravel that does not know it: one that begins as a reader cannot wait for
 * another writer, and fails with "database is locked".
 */
final class ImmediateConnection extends SQLiteConnection
{
    public static function installIfNeeded(): void
    {
        if (getenv('KQUEUE_TEST_TRANSACTIONS') !== 'DEFERRED' && ! method_exists(SQLiteConnection::class, 'executeBeginTransactionStatement')) {
            Connection::resolverFor('sqlite', static fn (mixed ...$arguments): self => new self(...$arguments));
        }
    }

    #[\Override]
    protected function createTransaction(): void
    {
        if ($this->transactions > 0) {
            parent::createTransaction();

            return;
        }

        $this->reconnectIfMissingConnection();
        $this->getPdo()->exec('BEGIN IMMEDIATE TRANSACTION');
    }
}
