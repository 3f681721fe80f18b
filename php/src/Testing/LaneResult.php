<?php

declare(strict_types=1);

namespace KQueue\Testing;

use PHPUnit\Framework\Assert;

/** How a job went in its lane. Nothing in it belongs to the lane: values came out of it serialized. */
final readonly class LaneResult
{
    /**
     * @param  string  $job  its class, or "a closure", and its place among the jobs
     * @param  mixed  $result  what handle() returned
     * @param  string|null  $exception  class, message and place of what it threw
     * @param  string  $output  what it printed
     * @param  mixed  $observed  what the observer returned
     */
    public function __construct(
        public string $job,
        public mixed $result,
        public ?string $exception,
        public string $output,
        public mixed $observed,
    ) {}

    public function assertSuccessful(): self
    {
        Assert::assertNull($this->exception, "{$this->job} failed: {$this->exception}");

        return $this;
    }

    public function assertFailed(string $message = ''): self
    {
        Assert::assertNotNull($this->exception, "{$this->job} did not fail.");
        Assert::assertStringContainsString($message, $this->exception);

        return $this;
    }

    public function assertReturned(mixed $expected): self
    {
        Assert::assertEquals($expected, $this->assertSuccessful()->result, "what {$this->job} returned");

        return $this;
    }

    /** @return list<string> */
    public function differencesTo(self $alone): array
    {
        $differences = [];

        foreach (['exception' => 'threw', 'result' => 'returned', 'output' => 'printed', 'observed' => 'was observed as'] as $property => $verb) {
            if (serialize($this->{$property}) !== serialize($alone->{$property})) {
                $differences[] = "{$this->job} {$verb} ".self::show($this->{$property}).' beside the others, and '.self::show($alone->{$property}).' alone';
            }
        }

        return $differences;
    }

    private static function show(mixed $value): string
    {
        $text = is_object($value) ? get_debug_type($value).' '.json_encode($value) : (string) json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR);

        return $value === null ? 'nothing' : (strlen($text) > 300 ? substr($text, 0, 300).'…' : $text);
    }
}
