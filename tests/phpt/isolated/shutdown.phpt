--TEST--
Functions that isolated jobs register for the end of their process are called: at the job's end, also when it exits or meets a fatal error; those of the program are not
--EXTENSIONS--
kqueue
posix
--FILE--
<?php
require __DIR__.'/../lib/jobs.inc';

$parent = getmypid();
register_shutdown_function(function () use ($parent) { echo getmypid() === $parent ? "the program's own\n" : "the program's own IN A CHILD\n"; });

class Registers
{
    public function __construct(private string $then) {}

    public function handle(): string
    {
        register_shutdown_function(function (string $then): void {
            echo "$then: ", error_get_last()['message'] ?? 'no error', "\n";
            register_shutdown_function(function (): void { echo "and one that this one registers\n"; });
        }, $this->then);

        return match ($this->then) {
            'returns' => 'returned',
            'throws' => throw new DomainException('thrown'),
            'exits' => exit(3),
            'fatal' => eval('class Twice {} class Twice {}'),
        };
    }
}

ini_set('display_errors', '0');
$runtime = new KQueue\Runtime(isolated: 1);
foreach (['returns', 'throws', 'exits', 'fatal'] as $then) {
    isolated($runtime, ['the job' => new Registers($then)]);
}
?>
--EXPECTF--
returns: no error
and one that this one registers
the job: "returned"
throws: no error
and one that this one registers
the job: KQueue\Exception\RemoteException: DomainException: thrown
exits: no error
and one that this one registers
the job: KQueue\Exception\JobExited: the job called exit() in its isolated child
fatal: Cannot %s Twice%s
and one that this one registers
the job: KQueue\Exception\ChildDied: the job's isolated child died: fatal error: Cannot %s Twice%s
the program's own
