<?php

declare(strict_types=1);

namespace KQueue\Testing;

/** What belongs to the process however many lanes it has. */
final class ProcessState
{
    /** @var array<string, mixed> */
    private readonly array $before;

    public function __construct()
    {
        $this->before = self::now();
    }

    /** @return list<string> */
    public function changes(): array
    {
        $changes = [];

        foreach (self::now() as $name => $value) {
            if ($value !== $this->before[$name]) {
                $changes[] = "a job changed {$name} from ".json_encode($this->before[$name]).' to '.json_encode($value).', which all lanes share';
            }
        }

        return $changes;
    }

    /** @return array<string, mixed> */
    private static function now(): array
    {
        return [
            'the memory limit' => ini_get('memory_limit'),
            'the stream filters' => stream_get_filters(),
        ];
    }
}
