<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E;

use KQueue\Tests\E2E\App\Act;
use KQueue\Tests\E2E\App\Trace;
use KQueue\Tests\E2E\App\UnruledAct;
use KQueue\Tests\E2E\Support\Process;
use KQueue\Tests\E2E\Support\TestCase;
use PHPUnit\Framework\Attributes\TestWith;

/** A class that misbehaves in a lane runs isolated from then on, and the log says why. */
final class AutoTest extends TestCase
{
    /** @param  list<mixed>  $arguments */
    #[TestWith(['burns', [0.8], ['KQUEUE_AUTO_SLICE' => '0.4'], '/held the loop for \d+\.\d s at Actions\.php:\d+; it runs isolated from now on\. \{"trace":\[(?:"Actions\.php:\d+",)+"Act\.php:\d+",/'])]
    #[TestWith(['grows', [40], ['KQUEUE_AUTO_MEMORY' => '30'], '/used 4\d MB, more than 30; it runs isolated from now on/'])]
    #[TestWith(['grows', [40], ['maxMemory' => '30'], '/used 4\d MB, more than 30; it runs isolated from now on/'])]
    public function test_it_is_found_out_and_survives_the_run(string $action, array $arguments, array $environment, string $pattern): void
    {
        $own = (int) ($environment['maxMemory'] ?? 0) ?: null;
        $this->push((new UnruledAct($action, ...$arguments))->with(['maxMemory' => $own]));
        $first = $this->kqueue([], $environment);
        self::assertSame(0, $first->wait(), $first->output());
        self::assertMatchesRegularExpression($pattern, stripslashes($this->log()));

        $this->push(new UnruledAct($action, ...$arguments), new Act('nothing'));
        $second = $this->kqueue([], $environment);
        self::assertSame(0, $second->wait(), $second->output());
        $pids = array_column(Trace::all('end'), 'pid');
        self::assertCount(3, $pids);
        self::assertCount(3, array_unique($pids), 'the second in a child, the third in the second runner');

        $show = $this->command('kqueue:profile', ['--json']);
        $profile = json_decode($show->output(), true);
        self::assertStringContainsString($action === 'grows' ? 'more than 30' : 'held the loop', $profile[UnruledAct::class]['isolated']['reason']);
        self::assertSame(1, $profile[UnruledAct::class]['jobs'], 'the one that ran in a lane');
        self::assertSame([null, 1], [$profile[Act::class]['isolated'], $profile[Act::class]['jobs']]);

        self::assertSame(0, $this->command('kqueue:profile', ['--reset='.UnruledAct::class])->wait());
        self::assertSame([Act::class], array_keys(json_decode($this->command('kqueue:profile', ['--json'])->output(), true)));
        $this->push(new UnruledAct('nothing'), new Act('nothing'));
        $third = $this->kqueue([], $environment);
        self::assertSame(0, $third->wait(), $third->output());
        self::assertCount(1, array_unique(array_column(array_slice(Trace::all('end'), 3), 'pid')), 'both in the runner');
    }

    public function test_a_class_that_took_its_runner_down(): void
    {
        $this->push((new UnruledAct('signal', SIGSEGV))->with(['tries' => 2, 'backoff' => 0]));
        $run = $this->kqueue();
        self::assertSame(0, $run->wait(), $run->output());

        $show = $this->command('kqueue:profile', ['--json']);
        self::assertStringContainsString('took its process down', json_decode($show->output(), true)[UnruledAct::class]['isolated']['reason']);
        // The second attempt ran isolated: no second runner died.
        self::assertSame(1, substr_count($this->log(), 'a runner died'), $this->log());
        self::assertStringContainsString('SIGSEGV', $this->failures()[0]);
    }

    public function test_a_slow_slice_is_told_and_nothing_else_happens(): void
    {
        $this->push(new UnruledAct('burns', 0.4), new UnruledAct('burns', 0.4));
        $run = $this->kqueue();

        self::assertSame(0, $run->wait(), $run->output());
        self::assertSame(1, substr_count($this->log(), UnruledAct::class.' held the loop for '), $this->log());
        self::assertStringNotContainsString('isolated', $this->log());
    }

    /** A job that meets classes first pays for their loading, once for all: that says nothing of its class. */
    public function test_loading_classes_is_not_held_against_the_job_that_needs_them_first(): void
    {
        $method = static fn (int $i): string => "public function f{$i}(array \$a): array { \$b = []; foreach (\$a as \$k => \$v) { \$b[\"{\$k} {\$i}\"] = match (true) {"
            .' $v > 1 => [$v => fn ($x) => $x + $v, "a" => [1, 2, 3, $v]], is_string($v) => strlen($v) + ord($v[0]), default => $v ?? self::class }; } return $b; }';

        for ($i = 0; $i < 300; $i++) {
            file_put_contents("{$this->folder}/Loaded{$i}.php", "<?php class Loaded{$i} { ".implode("\n", array_map($method, range(1, 250))).' }');
        }

        $this->push(new UnruledAct('loads', $this->folder, 300), new UnruledAct('nothing'));
        $run = $this->kqueue(['--memory=2000'], ['KQUEUE_AUTO_SLICE' => '0.2', 'KQUEUE_AUTO_MEMORY' => '20']);
        self::assertSame(0, $run->wait(), $run->output());

        $profile = json_decode($this->command('kqueue:profile', ['--json'])->output(), true)[UnruledAct::class];
        self::assertGreaterThan(0.3, $profile['longest_slice'], 'the loading was heavy enough');
        self::assertNull($profile['isolated'], $this->log());
        self::assertSame(2, $profile['jobs']);
        self::assertStringContainsString('held the loop', $this->log(), 'the others had to wait, and that is told');
    }

    /** @param  list<string>  $arguments */
    private function command(string $name, array $arguments): Process
    {
        $process = $this->start($name, $arguments);
        $process->wait();

        return $process;
    }
}
