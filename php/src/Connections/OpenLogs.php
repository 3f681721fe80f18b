<?php

declare(strict_types=1);

namespace KQueue\Connections;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Log\Logger;
use Illuminate\Log\LogManager;
use Monolog\Handler\HandlerInterface;
use Monolog\Handler\ProcessHandler;
use Monolog\Handler\SocketHandler;
use Monolog\Handler\StreamHandler;
use Monolog\Handler\SyslogUdpHandler;
use Monolog\Logger as Monolog;

/** What the log has open: a file that was written to while booting. Monolog opens it again at the next record. */
final class OpenLogs
{
    /** There is one of each in a process, and all lanes write to it. */
    private const STANDARD = ['php://stdin', 'php://stdout', 'php://stderr', 'php://output'];

    public static function close(Application $app): void
    {
        $seen = [];

        foreach (self::loggers($app) as $logger) {
            foreach ($logger->getHandlers() as $handler) {
                self::closeHandler($handler, $seen);
            }
        }
    }

    /** @return list<Monolog> those of the log's channels, and those that the container has of their own */
    private static function loggers(Application $app): array
    {
        $instances = (fn (): array => $this->instances ?? [])->call($app);
        $log = $instances['log'] ?? null;
        $found = $log instanceof LogManager ? [...array_values($instances), ...array_values($log->getChannels())] : array_values($instances);
        $found = array_map(static fn (mixed $logger): mixed => $logger instanceof Logger ? $logger->getLogger() : $logger, $found);

        return array_values(array_filter($found, static fn (mixed $logger): bool => $logger instanceof Monolog));
    }

    /**
     * Handlers may hold others: groups, buffers, those that write only when it burns.
     *
     * @param  array<int, true>  $seen
     */
    private static function closeHandler(HandlerInterface $handler, array &$seen): void
    {
        if (isset($seen[spl_object_id($handler)])) {
            return;
        }

        $seen[spl_object_id($handler)] = true;

        if (self::opensAgain($handler)) {
            $handler->close();
        }

        // Of all its classes, also what is private; nothing of the handler's own runs.
        foreach ((array) $handler as $held) {
            foreach (is_array($held) ? $held : [$held] as $inner) {
                if ($inner instanceof HandlerInterface) {
                    self::closeHandler($inner, $seen);
                }
            }
        }
    }

    /** One that was given an open stream could not. */
    private static function opensAgain(HandlerInterface $handler): bool
    {
        if ($handler instanceof StreamHandler) {
            return is_resource($handler->getStream()) && $handler->getUrl() !== null && ! in_array(strtolower($handler->getUrl()), self::STANDARD, true);
        }

        return $handler instanceof SocketHandler || $handler instanceof SyslogUdpHandler || $handler instanceof ProcessHandler;
    }
}
