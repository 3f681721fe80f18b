<?php

/** All that can be queued. */

declare(strict_types=1);

use Illuminate\Bus\UniqueLock;
use Illuminate\Queue\CallQueuedClosure;
use Illuminate\Queue\Events\UniqueJobSkipped;
use Illuminate\Support\Facades\Bus;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Mail;
use Illuminate\Support\Facades\Queue;
use KQueue\Tests\E2E\App\Row;
use KQueue\Tests\Oracle\App\Actions;
use KQueue\Tests\Oracle\App\AfterCommitJob;
use KQueue\Tests\Oracle\App\Channel;
use KQueue\Tests\Oracle\App\Command;
use KQueue\Tests\Oracle\App\DebouncedJob;
use KQueue\Tests\Oracle\App\EncryptedJob;
use KQueue\Tests\Oracle\App\Happened;
use KQueue\Tests\Oracle\App\Letter;
use KQueue\Tests\Oracle\App\ModelJob;
use KQueue\Tests\Oracle\App\Notice;
use KQueue\Tests\Oracle\App\Person;
use KQueue\Tests\Oracle\App\SelfHandling;
use KQueue\Tests\Oracle\App\Spoken;
use KQueue\Tests\Oracle\App\SpokenOnce;
use KQueue\Tests\Oracle\App\StringJob;
use KQueue\Tests\Oracle\App\UniqueJob;
use KQueue\Tests\Oracle\App\UniqueModelJob;
use KQueue\Tests\Oracle\App\UniqueUntilProcessingJob;
use KQueue\Tests\Oracle\Support\OracleCase;
use KQueue\Tests\Oracle\Support\Scene;

$does = static fn (Closure $before, ?string $needs = null): OracleCase => new OracleCase($before, needs: $needs);
$lock = static fn (string $class, Scene $scene): string => Closure::bind(
    static fn (UniqueLock $lock): string => $lock->getKey($scene->make($class, 'nothing')->with(['uniqueId' => $scene->queue])), null, UniqueLock::class,
)(new UniqueLock(app('cache.store')));
$person = static fn (Scene $scene): Person => Person::create(['owner' => $scene->queue, 'kind' => 'person']);

return [
    'a closure' => $does(static fn (Scene $scene) => dispatch(Actions::closure('runs'))->onQueue($scene->queue)),
    'a closure that throws, with a catch' => $does(static fn (Scene $scene) => dispatch(Actions::closure('throws'))->onQueue($scene->queue)->catch(Actions::catching())),
    'a named closure' => $does(static fn (Scene $scene) => dispatch(Actions::closure('runs'))->onQueue($scene->queue)->name('a name'), CallQueuedClosure::class.'::name'),
    'a closure by Queue::push' => $does(static fn (Scene $scene) => Queue::push(Actions::closure('pushed'), '', $scene->queue)),
    'a job with __invoke and injected arguments' => $does(static fn (Scene $scene) => $scene->push((new SelfHandling)->onQueue($scene->queue))),
    'a command with a handler of its own' => $does(static fn (Scene $scene) => $scene->push((new Command)->onQueue($scene->queue))),
    'a string job' => $does(static fn (Scene $scene) => Queue::push(StringJob::class, ['a' => 1, 'empty' => [], 'half' => 0.5], $scene->queue)),
    'a string job with a method, that releases itself' => $does(static fn (Scene $scene) => Queue::push(StringJob::class.'@other', ['empty' => []], $scene->queue)),
    'a string job that throws' => $does(static fn (Scene $scene) => Queue::push(StringJob::class.'@throws', [], $scene->queue)),
    'a string job of an unknown class' => $does(static fn (Scene $scene) => Queue::push('App\Unknown@method', [], $scene->queue)),
    'a string job of an unknown method' => $does(static fn (Scene $scene) => Queue::push(StringJob::class.'@unknown', [], $scene->queue)),
    'a job of a class that is gone' => $does(static fn (Scene $scene) => Queue::pushRaw(json_encode([
        'uuid' => '11111111-2222-3333-4444-555555555555', 'displayName' => 'App\Gone', 'job' => 'Illuminate\Queue\CallQueuedHandler@call', 'maxTries' => 2,
        'data' => ['commandName' => 'App\Gone', 'command' => 'O:8:"App\Gone":0:{}'], 'id' => 'raw', 'attempts' => 0,
    ]), $scene->queue)),
    'an encrypted job' => $does(static fn (Scene $scene) => $scene->push($scene->make(EncryptedJob::class, 'looks', 'arguments')->with(['arguments' => ['arguments', 'secret']]))),
    'an encrypted job that throws' => $does(static fn (Scene $scene) => $scene->push($scene->make(EncryptedJob::class, 'throwsBelow', 2)->with(['tries' => 2]))),
    'a job dispatched by a job' => $does(static fn (Scene $scene) => $scene->push($scene->job('dispatches', $scene->job('nothing')->with(['label' => 'a']), $scene->job('throws')))),
    'a job run at once within a job' => $does(static fn (Scene $scene) => $scene->push($scene->job('dispatchesSync', $scene->job('nothing')->with(['label' => 'at once'])))),
    'a delayed job' => $does(static fn (Scene $scene) => $scene->push($scene->job('nothing')->delay(1), $scene->job('nothing')->with(['label' => 'much later'])->delay(500))),
    'Queue::later and Queue::bulk' => $does(static function (Scene $scene): void {
        Queue::laterOn($scene->queue, 300, $scene->job('nothing')->with(['label' => 'later']));
        Queue::bulk([$scene->job('nothing')->with(['label' => 'bulk 1']), $scene->job('nothing')->with(['label' => 'bulk 2'])], '', $scene->queue);
    }),

    'two of a unique job' => $does(static function (Scene $scene) use ($lock): void {
        foreach ([1, 2] as $which) {
            $scene->push($scene->make(UniqueJob::class, 'triesLock', $lock(UniqueJob::class, $scene))->with(['uniqueId' => $scene->queue]));
        }
    }),
    'a unique job keeps its lock while it is retried' => $does(static fn (Scene $scene) => $scene->push(
        $scene->make(UniqueJob::class, 'triesLock', $lock(UniqueJob::class, $scene), 2)->with(['uniqueId' => $scene->queue, 'tries' => 2]),
    )),
    'a unique job that fails gives its lock back' => $does(static fn (Scene $scene) => $scene->push($scene->make(UniqueJob::class, 'throws')->with(['uniqueId' => $scene->queue]))),
    'a unique job that is released keeps its lock' => $does(static fn (Scene $scene) => $scene->push($scene->make(UniqueJob::class, 'releases', 9, 300)->with(['uniqueId' => $scene->queue, 'tries' => 2]))),
    'a job that is unique until it is processed' => $does(static fn (Scene $scene) => $scene->push(
        $scene->make(UniqueUntilProcessingJob::class, 'triesLock', $lock(UniqueUntilProcessingJob::class, $scene))->with(['uniqueId' => $scene->queue]),
    )),
    'a job that is unique until it is processed, and retried' => $does(static fn (Scene $scene) => $scene->push(
        $scene->make(UniqueUntilProcessingJob::class, 'throwsBelow', 2)->with(['uniqueId' => $scene->queue, 'tries' => 2]),
    )),
    'a unique job whose model is gone' => $does(static function (Scene $scene): void {
        $scene->push($scene->make(UniqueModelJob::class, 'nothing')->with(['uniqueId' => $scene->queue, 'row' => $row = $scene->row(), 'deleteWhenMissingModels' => true]));
        $row->delete();
    }),
    'a debounced job' => $does(static function (Scene $scene): void {
        foreach (['first', 'second', 'last'] as $label) {
            $scene->push($scene->make(DebouncedJob::class, 'nothing')->with(['debounceId' => $scene->queue, 'label' => $label]));
        }
    }, 'Illuminate\Queue\Attributes\DebounceFor'),

    'a job with a model' => $does(static function (Scene $scene): void {
        $row = $scene->row();
        $row->children()->create(['owner' => $scene->queue, 'kind' => 'child']);
        $scene->push($scene->make(ModelJob::class, 'looks', 'model')->with(['row' => $row->load('children')]));
    }),
    'the model is gone: it fails' => $does(static function (Scene $scene): void {
        $scene->push($scene->make(ModelJob::class, 'nothing')->with(['row' => $row = $scene->row(), 'tries' => 3]));
        $row->delete();
    }),
    'the model is gone: it is deleted' => $does(static function (Scene $scene): void {
        $scene->push($scene->make(ModelJob::class, 'nothing')->with(['row' => $row = $scene->row(), 'deleteWhenMissingModels' => true]));
        $row->delete();
    }),
    'the model of one in a batch is gone' => $does(static function (Scene $scene): void {
        $row = $scene->row();
        $scene->batch(
            $scene->make(ModelJob::class, 'nothing')->with(['row' => $row, 'deleteWhenMissingModels' => true]),
            $scene->make(ModelJob::class, 'nothing')->with(['row' => $scene->row(), 'label' => 'there']),
        )->then($scene->notes('then'))->dispatch();
        Row::whereKey($row->id)->delete();
    }),

    'dispatched after a commit' => $does(static fn (Scene $scene) => $scene->push($scene->job('dispatchesInTransaction', $scene->make(AfterCommitJob::class, 'nothing')->with(['label' => 'after']), true))),
    'dispatched after a commit that never comes' => $does(static fn (Scene $scene) => $scene->push($scene->job('dispatchesInTransaction', $scene->make(AfterCommitJob::class, 'nothing')->with(['label' => 'never']), false))),
    'dispatched in a transaction by a property' => $does(static fn (Scene $scene) => $scene->push($scene->job('dispatchesInTransaction', $scene->job('nothing')->with(['label' => 'after', 'afterCommit' => true]), false))),

    'context travels with a job' => $does(static function (Scene $scene): void {
        Context::add('who', 'the request');
        Context::addHidden('token', 'of the request');
        $scene->push($scene->job('looks', 'context', 'hidden context'));
        Context::flush();
    }, Context::class),
    'context that a job adds travels with the jobs it queues' => $does(static fn (Scene $scene) => $scene->push(
        $scene->job('addsContext', $scene->job('looks', 'context', 'hidden context')->with(['label' => 'next'])), $scene->job('looks', 'context')->with(['label' => 'beside']),
    ), Context::class),
    'what a job defers' => $does(static fn (Scene $scene) => $scene->push($scene->job('defers')), 'Illuminate\Support\Defer\DeferredCallback'),
    'what a job defers that throws' => $does(static fn (Scene $scene) => $scene->push($scene->job('defersAndThrows')), 'Illuminate\Support\Defer\DeferredCallback'),

    'a queued listener' => $does(static fn (Scene $scene) => Happened::dispatch($scene->queue, 'well')),
    'a queued listener that throws' => $does(static fn (Scene $scene) => Happened::dispatch($scene->queue, 'throws')),
    'a queued listener that releases itself' => $does(static fn (Scene $scene) => Happened::dispatch($scene->queue, 'releases')),
    'a queued listener that fails itself' => $does(static fn (Scene $scene) => Happened::dispatch($scene->queue, 'fails')),
    'a listener that is not queued, beside one that is' => $does(static function (Scene $scene): void {
        Happened::dispatch($scene->queue, 'not queued');
        Happened::dispatch($scene->queue, 'well');
    }),
    'a unique listener' => $does(static function (Scene $scene): void {
        Happened::dispatch($scene->queue, 'once');
        Happened::dispatch($scene->queue, 'once');
    }, UniqueJobSkipped::class),
    'a mailable' => $does(static fn (Scene $scene) => Mail::to('someone@example.com')->queue((new Letter('hello'))->onQueue($scene->queue))),
    'a mailable in another language' => $does(static fn (Scene $scene) => Mail::to('someone@example.com')->locale('de')->queue((new Letter('hallo'))->onQueue($scene->queue))),
    'a mailable that cannot be written' => $does(static fn (Scene $scene) => Mail::to('someone@example.com')->queue((new Letter('unwritable'))->onQueue($scene->queue))),
    'a mailable for later' => $does(static fn (Scene $scene) => Mail::to('someone@example.com')->later(400, (new Letter('later'))->onQueue($scene->queue))),
    'a notification by two channels' => $does(static fn (Scene $scene) => $person($scene)->notify((new Notice("{$scene->queue} news", ['database', Channel::class]))->onQueue($scene->queue))),
    'a notification in another language' => $does(static fn (Scene $scene) => $person($scene)->notify((new Notice('Neues', [Channel::class]))->locale('de')->onQueue($scene->queue))),
    'a notification by mail' => $does(static fn (Scene $scene) => $person($scene)->notify((new Notice('news', ['mail']))->onQueue($scene->queue))),
    'a notification that is held back' => $does(static fn (Scene $scene) => $person($scene)->notify((new Notice('held back', [Channel::class]))->onQueue($scene->queue))),
    'a notification that cannot be sent' => $does(static fn (Scene $scene) => $person($scene)->notify((new Notice('unsendable', [Channel::class]))->onQueue($scene->queue))),
    'a broadcast event' => $does(static fn (Scene $scene) => event(new Spoken($scene->queue, 'hello'))),
    'a broadcast event that cannot be sent' => $does(static fn (Scene $scene) => event(new Spoken($scene->queue, 'unspeakable'))),
    'a unique broadcast event' => $does(static function (Scene $scene): void {
        event(new SpokenOnce($scene->queue, 'first'));
        event(new SpokenOnce($scene->queue, 'second'));
    }),

    'a chain' => $does(static fn (Scene $scene) => Bus::chain(array_map(
        static fn (string $label) => $scene->job('nothing')->with(['label' => $label]), ['first', 'second', 'third'],
    ))->onQueue($scene->queue)->dispatch()),
    'a chain whose second link throws' => $does(static fn (Scene $scene) => Bus::chain([
        $scene->job('nothing'), $scene->job('throws'), $scene->job('nothing')->with(['label' => 'never']),
    ])->catch($scene->notes('catch'))->dispatch()),
    'a chain whose link is retried' => $does(static fn (Scene $scene) => Bus::chain([
        $scene->job('throwsBelow', 2)->with(['tries' => 2]), $scene->job('nothing'),
    ])->catch($scene->notes('catch'))->dispatch()),
    'a chain whose link fails itself' => $does(static fn (Scene $scene) => Bus::chain([
        $scene->job('fails', 'no'), $scene->job('nothing')->with(['label' => 'never']),
    ])->catch($scene->notes('catch'))->dispatch()),
    'a chain whose link releases itself for long' => $does(static fn (Scene $scene) => Bus::chain([
        $scene->job('releases', 9, 300)->with(['tries' => 9]), $scene->job('nothing')->with(['label' => 'not yet']),
    ])->dispatch()),
    'a chain whose link deletes itself' => $does(static fn (Scene $scene) => Bus::chain([$scene->job('deletes'), $scene->job('nothing')])->dispatch()),
    'a chain with a closure' => $does(static fn (Scene $scene) => Bus::chain([$scene->job('nothing'), Actions::closure('in a chain')])->onQueue($scene->queue)->dispatch()),
    'a chain with a batch' => $does(static fn (Scene $scene) => Bus::chain([
        $scene->job('nothing')->with(['label' => 'before']),
        $scene->batch($scene->batchJob('nothing'), $scene->batchJob('nothing'))->then($scene->notes('then')),
        $scene->job('nothing')->with(['label' => 'behind']),
    ])->dispatch()),
    'a chain that grows' => $does(static fn (Scene $scene) => Bus::chain([
        $scene->job('chainsBefore', $scene->job('nothing')->with(['label' => 'put before'])),
        $scene->job('chainsAfter', $scene->job('nothing')->with(['label' => 'put behind'])),
        $scene->job('nothing'),
    ])->dispatch()),
    'a chain dispatched by a job' => $does(static fn (Scene $scene) => $scene->push(
        $scene->job('dispatchesChain', $scene->job('nothing')->with(['label' => 'first']), $scene->job('nothing')->with(['label' => 'second'])),
    )),

    'a batch' => $does(static fn (Scene $scene) => $scene->batch(...array_map(static fn () => $scene->batchJob('nothing'), range(1, 5)))
        ->before($scene->notes('before'))->progress($scene->notes('progress'))->then($scene->notes('then'))->catch($scene->notes('catch'))->finally($scene->notes('finally'))->dispatch()),
    'a batch of 200 jobs' => new OracleCase(
        static fn (Scene $scene) => $scene->batch(...array_map(static fn () => $scene->batchJob('nothing'), range(1, 200)))
            ->then($scene->notes('then'))->catch($scene->notes('catch'))->finally($scene->notes('finally'))->dispatch(),
        ['--stop-when-empty', '--sleep=0', '--json', '--concurrency=200'],
    ),
    'a batch of which two fail' => $does(static fn (Scene $scene) => $scene->batch(
        $scene->batchJob('throws', 'the same'), $scene->batchJob('throws', 'the same'), $scene->batchJob('nothing'),
    )->allowFailures()->progress($scene->notes('progress'))->then($scene->notes('then'))->catch($scene->notes('catch'))->finally($scene->notes('finally'))->dispatch()),
    'a batch that one failure cancels' => new OracleCase(
        static fn (Scene $scene) => $scene->batch($scene->batchJob('throws'), $scene->batchJob('nothing'), $scene->batchJob('nothing'))
            ->then($scene->notes('then'))->catch($scene->notes('catch'))->finally($scene->notes('finally'))->dispatch(),
        ['--stop-when-empty', '--sleep=0'],
        inOrder: true,
    ),
    'a batch whose job is retried' => $does(static fn (Scene $scene) => $scene->batch($scene->batchJob('throwsBelow', 2)->with(['tries' => 2]))->then($scene->notes('then'))->dispatch()),
    'a batch that a job cancels' => new OracleCase(
        static fn (Scene $scene) => $scene->batch($scene->batchJob('cancelsBatch'), $scene->batchJob('looks', 'batch'))->then($scene->notes('then'))->finally($scene->notes('finally'))->dispatch(),
        ['--stop-when-empty', '--sleep=0'],
        inOrder: true,
    ),
    'a batch that grows' => $does(static fn (Scene $scene) => $scene->batch(
        $scene->batchJob('addsToBatch', $scene->batchJob('nothing')->with(['label' => 'added']), $scene->batchJob('nothing')->with(['label' => 'added'])),
    )->then($scene->notes('then'))->dispatch()),
    'a batch with chains' => $does(static fn (Scene $scene) => $scene->batch()->add([
        [$scene->batchJob('nothing')->with(['label' => 'one 1']), $scene->batchJob('nothing')->with(['label' => 'one 2'])],
        [$scene->batchJob('nothing')->with(['label' => 'two 1']), $scene->batchJob('nothing')->with(['label' => 'two 2'])],
    ])->then($scene->notes('then'))->dispatch()),
    'a batch dispatched by a job' => $does(static fn (Scene $scene) => $scene->push($scene->job('dispatchesBatch', $scene->queue, $scene->batchJob('nothing'), $scene->batchJob('nothing')))),
    'a batch without jobs' => $does(static fn (Scene $scene) => $scene->batch()->then($scene->notes('then'))->finally($scene->notes('finally'))->dispatch()),
    'a job of a batch sees it' => $does(static fn (Scene $scene) => $scene->batch($scene->batchJob('looks', 'batch'))->dispatch()),
    'queued in a transaction that is rolled back' => $does(static function (Scene $scene): void {
        try {
            DB::transaction(static function () use ($scene): void {
                $scene->push($scene->make(AfterCommitJob::class, 'nothing')->with(['label' => 'never']));
                throw new RuntimeException;
            });
        } catch (RuntimeException) {
            $scene->pushNothing('behind');
        }
    }),
    'a command of artisan' => $does(static fn (Scene $scene) => Illuminate\Support\Facades\Artisan::queue('queue:clear', ['--queue' => 'other', '--force' => true])->onQueue($scene->queue)),
    'a job that calls artisan' => $does(static fn (Scene $scene) => $scene->push($scene->job('artisan', 'env'))),
];
