<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Contracts\Queue\Queue;
use Illuminate\Queue\Connectors\ConnectorInterface;

/** Of the driver "file", which stands for those that packages bring. */
final class FileConnector implements ConnectorInterface
{
    /** @param  array<string, mixed>  $config */
    public function connect(array $config): Queue
    {
        return new FileQueue($config['path'], $config['queue'], $config['retry_after']);
    }
}
