<?php

// A stand-in for Amazon SQS: its JSON protocol over HTTP/1.1, standard queues in memory. A queue is there when it is first named.
// A receive waits for a message as long as it asks for, or as its queue says (long polling). It looks at no signature. It prints its
// address, and ends when its standard input does.

declare(strict_types=1);

final class SqsServer
{
    private const VISIBILITY = 5;

    /** @var array<string, array<string, array<string, mixed>>> by queue URL and message id */
    private array $queues = [];

    /** @var array<string, float> seconds that a receive waits for a message, by queue URL */
    private array $waits = [];

    /** How long the request may wait for an answer that is not empty. */
    public function patience(string $action, array $in): float
    {
        return $action === 'ReceiveMessage' ? (float) ($in['WaitTimeSeconds'] ?? $this->waits[$in['QueueUrl']] ?? 0) : 0.0;
    }

    /** @return array<string, mixed> */
    public function answer(string $action, array $in): array
    {
        $queue = &$this->queues[$in['QueueUrl']];
        $queue ??= [];

        return match ($action) {
            'SendMessage' => $this->send($queue, $in),
            'SendMessageBatch' => $this->sendMany($queue, $in['Entries']),
            'ReceiveMessage' => $this->receive($queue, $in),
            'DeleteMessage' => $this->delete($queue, $in['ReceiptHandle']),
            'ChangeMessageVisibility' => $this->change($queue, $in['ReceiptHandle'], $in['VisibilityTimeout']),
            'GetQueueAttributes' => ['Attributes' => $this->attributes($queue)],
            'PurgeQueue' => $this->purge($queue),
            'SetQueueAttributes' => $this->set($in['QueueUrl'], $in['Attributes']),
            default => throw new InvalidArgumentException("unknown action {$action}"),
        };
    }

    private function send(array &$queue, array $in): array
    {
        $id = sprintf('%s-%s', bin2hex(random_bytes(4)), bin2hex(random_bytes(8)));
        $queue[$id] = ['body' => $in['MessageBody'], 'visible_at' => microtime(true) + ($in['DelaySeconds'] ?? 0), 'received' => 0, 'handle' => null];

        return ['MessageId' => $id, 'MD5OfMessageBody' => md5($in['MessageBody'])];
    }

    private function sendMany(array &$queue, array $entries): array
    {
        $sent = [];

        foreach ($entries as $entry) {
            $sent[] = ['Id' => $entry['Id']] + $this->send($queue, $entry);
        }

        return ['Successful' => $sent, 'Failed' => []];
    }

    private function receive(array &$queue, array $in): array
    {
        $messages = [];

        foreach ($queue as $id => &$message) {
            if ($message['visible_at'] <= microtime(true) && count($messages) < ($in['MaxNumberOfMessages'] ?? 1)) {
                $message['received']++;
                $message['handle'] = $id.'.'.bin2hex(random_bytes(4));
                $message['visible_at'] = microtime(true) + ($in['VisibilityTimeout'] ?? self::VISIBILITY);
                $messages[] = [
                    'MessageId' => $id, 'ReceiptHandle' => $message['handle'], 'Body' => $message['body'], 'MD5OfBody' => md5($message['body']),
                    'Attributes' => ['ApproximateReceiveCount' => (string) $message['received']],
                ];
            }
        }

        return $messages === [] ? [] : ['Messages' => $messages];
    }

    /** With the handle of an earlier receipt nothing happens, as in a standard queue. */
    private function delete(array &$queue, string $handle): array
    {
        if (($queue[strtok($handle, '.')]['handle'] ?? null) === $handle) {
            unset($queue[strtok($handle, '.')]);
        }

        return [];
    }

    private function change(array &$queue, string $handle, int $seconds): array
    {
        $id = strtok($handle, '.');

        if (($queue[$id]['handle'] ?? null) !== $handle) {
            throw new InvalidArgumentException("Value {$handle} for parameter ReceiptHandle is invalid.");
        }

        $queue[$id]['visible_at'] = microtime(true) + $seconds;

        return [];
    }

    /** @return array<string, string> */
    private function attributes(array $queue): array
    {
        $hidden = array_filter($queue, static fn (array $message): bool => $message['visible_at'] > microtime(true));
        $delayed = array_filter($hidden, static fn (array $message): bool => $message['received'] === 0);

        return array_map(strval(...), [
            'ApproximateNumberOfMessages' => count($queue) - count($hidden),
            'ApproximateNumberOfMessagesDelayed' => count($delayed),
            'ApproximateNumberOfMessagesNotVisible' => count($hidden) - count($delayed),
        ]);
    }

    /** @param  array<string, string>  $attributes */
    private function set(string $url, array $attributes): array
    {
        foreach ($attributes as $name => $value) {
            $name === 'ReceiveMessageWaitTimeSeconds' ? $this->waits[$url] = (float) $value : throw new InvalidArgumentException("unknown attribute {$name}");
        }

        return [];
    }

    private function purge(array &$queue): array
    {
        $queue = [];

        return [];
    }
}

/** @return string|null the response; null: it is to wait, and there is time */
function respond(SqsServer $server, string $head, string $body, float $since): ?string
{
    $action = preg_match('/^X-Amz-Target:\s*AmazonSQS\.(\w+)/mi', $head, $match) ? $match[1] : '';

    try {
        $in = json_decode($body, true) ?? [];
        [$status, $answer] = ['200 OK', $server->answer($action, $in)];

        if ($answer === [] && microtime(true) < $since + $server->patience($action, $in)) {
            return null;
        }
    } catch (InvalidArgumentException $e) {
        [$status, $answer] = ['400 Bad Request', ['__type' => 'com.amazonaws.sqs#InvalidParameterValue', 'message' => $e->getMessage()]];
    }

    $json = json_encode((object) $answer);

    return "HTTP/1.1 {$status}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: ".strlen($json)."\r\n\r\n{$json}";
}

$listener = stream_socket_server('tcp://127.0.0.1:0', $code, $message, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, stream_context_create(['socket' => ['backlog' => 512]]));
echo stream_socket_get_name($listener, false), "\n";
$server = new SqsServer;
$clients = $received = $waiting = [];

/** Answers what can be answered of a client's requests, in their order; the first one may wait. */
$answer = static function (int $id) use ($server, &$clients, &$received, &$waiting): void {
    while (($head = strstr($received[$id], "\r\n\r\n", true)) !== false) {
        $length = preg_match('/^Content-Length:\s*(\d+)/mi', $head, $match) ? (int) $match[1] : 0;
        $start = strlen($head) + 4;

        if (strlen($received[$id]) < $start + $length) {
            return;
        }

        $response = respond($server, $head, substr($received[$id], $start, $length), $waiting[$id] ??= microtime(true));

        if ($response === null) {
            return;
        }

        unset($waiting[$id]);
        @fwrite($clients[$id], $response);
        $received[$id] = substr($received[$id], $start + $length);
    }
};

for ($end = time() + 600; time() < $end;) {
    $read = [STDIN, $listener, ...array_values($clients)];
    $none = null;

    // While receives wait, a message may become visible again.
    if (! stream_select($read, $none, $none, $waiting === [] ? 1 : 0, 20_000)) {
        $read = [];
    }

    foreach ($read as $stream) {
        if ($stream === STDIN) {
            exit;
        }

        if ($stream === $listener) {
            $client = stream_socket_accept($listener);
            $clients[(int) $client] = $client;
            $received[(int) $client] = '';

            continue;
        }

        $id = (int) $stream;
        $data = (string) fread($stream, 65536);

        if ($data === '') {
            unset($clients[$id], $received[$id], $waiting[$id]);

            continue;
        }

        $received[$id] .= $data;
        isset($waiting[$id]) || $answer($id);
    }

    // Whoever waits longest is first.
    array_map($answer, array_keys($waiting));
}
