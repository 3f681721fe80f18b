<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Packaged;

use Stancl\Tenancy\Database\Concerns\HasDatabase;
use Stancl\Tenancy\Database\Contracts\TenantWithDatabase;
use Stancl\Tenancy\Database\Models\Tenant;

/** A tenant of stancl/tenancy that has a database of its own. */
final class Shop extends Tenant implements TenantWithDatabase
{
    use HasDatabase;

    protected $table = 'tenants';
}
