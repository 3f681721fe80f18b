--TEST--
A process that an isolated job forks is not taken for the job, however it ends; and it does not settle the job
--EXTENSIONS--
pcntl
posix
kqueue
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';

class Forks
{
    public function __construct(private string $way) {}

    public function handle(): mixed
    {
        $pid = pcntl_fork();
        if ($pid === 0) {
            return match ($this->way) {
                'returns' => 'THE RESULT OF THE FORKED PROCESS',
                'throws' => throw new DomainException('in the forked process'),
                'exits' => exit(3),
                'fatal' => eval('class Twice {} class Twice {}'),
                'unserializable' => fn () => 1,
                'lives on' => usleep(300_000),
            };
        }
        if ($this->way === 'lives on') {
            return 'of the job itself';
        }
        pcntl_waitpid($pid, $status);

        return ['job', pcntl_wifexited($status) ? pcntl_wexitstatus($status) : -pcntl_wtermsig($status)];
    }
}

ini_set('display_errors', '0');
$runtime = new KQueue\Runtime(isolated: 1);
foreach (['returns', 'throws', 'exits', 'fatal', 'unserializable', 'lives on'] as $way) {
    isolated($runtime, [$way => new Forks($way)]);
    isolated($runtime, ['the next' => new Task('give', 1)]);
}
?>
--EXPECT--
returns: ["job",0]
the next: 1
throws: ["job",255]
the next: 1
exits: ["job",3]
the next: 1
fatal: ["job",255]
the next: 1
unserializable: ["job",0]
the next: 1
lives on: "of the job itself"
the next: 1
