<?php

// Where no AWS SDK is installed: as much of its SqsClient as Laravel's driver calls, with the protocol of the real one (JSON over
// HTTP, by curl). It signs nothing. It is loaded only if the real class is not found.

declare(strict_types=1);

namespace Aws\Sqs {
    use Aws\Result;
    use RuntimeException;

    /** @method Result sendMessage(array<string, mixed> $input) and all other actions of SQS */
    final class SqsClient
    {
        private mixed $curl = null;

        /** @param  array{endpoint: string}  $config */
        public function __construct(private readonly array $config) {}

        /** @param  array{array<string, mixed>}  $arguments */
        public function __call(string $method, array $arguments): Result
        {
            $this->curl ??= curl_init();
            curl_setopt_array($this->curl, [
                CURLOPT_URL => $this->config['endpoint'],
                CURLOPT_POSTFIELDS => json_encode((object) array_filter($arguments[0], static fn (mixed $value): bool => $value !== null)),
                CURLOPT_HTTPHEADER => ['Content-Type: application/x-amz-json-1.0', 'X-Amz-Target: AmazonSQS.'.ucfirst($method), 'Expect:'],
                CURLOPT_RETURNTRANSFER => true,
                CURLOPT_TIMEOUT => 30,
            ]);
            $body = curl_exec($this->curl);
            $answer = json_decode((string) $body, true);

            if (curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE) !== 200) {
                throw new RuntimeException("SQS, {$method}: ".($answer['message'] ?? curl_error($this->curl)));
            }

            return new Result($answer);
        }
    }
}

namespace Aws {
    use ArrayObject;

    /** @extends ArrayObject<string, mixed> */
    final class Result extends ArrayObject
    {
        public function get(string $key): mixed
        {
            return $this[$key] ?? null;
        }

        #[\ReturnTypeWillChange]
        public function offsetGet(mixed $key): mixed
        {
            return $this->offsetExists($key) ? parent::offsetGet($key) : null;
        }
    }
}
