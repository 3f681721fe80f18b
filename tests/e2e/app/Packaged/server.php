<?php

// For PHP's built-in server: answers calls of SOAP and of webhooks, of which it refuses the first to each address with "refused", and writes
// down what was asked.

declare(strict_types=1);

$body = (string) file_get_contents('php://input');
parse_str((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_QUERY), $query);
$path = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

if ($path === '/soap') {
    preg_match('~<number[^>]*>(\d+)</number>~', $body, $match);
    header('Content-Type: text/xml; charset=UTF-8');
    echo '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>',
        '<r:doubleResponse xmlns:r="urn:kqueue"><return>', 2 * (int) ($match[1] ?? 0), '</return></r:doubleResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>';

    return;
}

$isKnown = is_file($log = "{$query['folder']}/requests") && str_contains((string) file_get_contents($log), "{$path} ");
$isRefused = ! $isKnown && str_contains($path, 'refused');
$isSigned = hash_equals(hash_hmac('sha256', $body, 'secret'), $_SERVER['HTTP_SIGNATURE'] ?? '');
file_put_contents($log, "{$path} {$body} ".($isSigned ? 'signed' : 'not signed')."\n", FILE_APPEND);
http_response_code($isRefused ? 503 : 200);
