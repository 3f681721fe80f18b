<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App;

use Illuminate\Console\Events\CommandFinished;
use Illuminate\Console\Events\CommandStarting;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerStarting;
use Illuminate\Queue\Events\WorkerStopping;

/**
 * What a package may listen to, by the application that hears it: the traces of one that ran jobs are those of a worker. Like many a
 * package it keeps its entries in memory, and writes them down as it is told of an end.
 */
final class Life
{
    /** @var list<string> */
    private array $entries = [];

    private ?string $name = null;

    /** @var list<string> the names of the commands that started, and the one that was running as the application booted */
    public array $commands = [];

    public static function listen(Application $app): void
    {
        $life = new self;
        $life->commands[] = $app->runningConsoleCommand('queue:work') ? 'booted in queue:work' : 'booted in '.($_SERVER['argv'][1] ?? 'nothing');
        $app->instance(self::class, $life);
        $of = static fn (): self => app(self::class);

        $app['events']->listen(CommandStarting::class, static function (CommandStarting $event) use ($of): void {
            $of()->commands[] = "{$event->command} {$event->input->getArgument('command')}";
        });
        $app['events']->listen(WorkerStarting::class, static fn () => $of()->add('WorkerStarting'));
        $app['events']->listen(Looping::class, static fn () => $of()->add('Looping'));
        $app['events']->listen(JobProcessing::class, static fn () => $of()->add('JobProcessing '.implode(', ', $of()->commands).(app()->runningConsoleCommand('queue:work') ? '' : ' not now')));
        $app['events']->listen(JobProcessed::class, static fn () => $of()->add('JobProcessed'));
        $app['events']->listen(WorkerStopping::class, static fn () => $of()->write('WorkerStopping'));
        $app['events']->listen(CommandFinished::class, static fn (CommandFinished $event) => $of()->add("CommandFinished {$event->command} {$event->input->getArgument('command')}"));
        $app->terminating(static fn () => $of()->write('terminating'));
    }

    public function add(string $entry): void
    {
        // Not before: the template's would be the same in all lanes.
        $this->name ??= bin2hex(random_bytes(4));
        $this->entries[] = $entry;
    }

    private function write(string $entry): void
    {
        $this->add($entry);
        Trace::add('life', [$this->name, $this->entries]);
        $this->entries = [];
    }

    /** @return array<string, list<string>> what was written down, by application, of those that ran a job */
    public static function written(): array
    {
        $all = [];

        foreach (Trace::all('life') as ['detail' => [$name, $entries]]) {
            $all[$name] = [...$all[$name] ?? [], ...$entries];
        }

        return array_filter($all, static fn (array $entries): bool => preg_grep('/^JobProcessing/', $entries) !== []);
    }
}
