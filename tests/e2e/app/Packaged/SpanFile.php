<?php

declare(strict_types=1);

namespace KQueue\Tests\E2E\App\Packaged;

use OpenTelemetry\SDK\Trace\Behavior\SpanExporterTrait;
use OpenTelemetry\SDK\Trace\SpanDataInterface;
use OpenTelemetry\SDK\Trace\SpanExporter\SpanExporterFactoryInterface;
use OpenTelemetry\SDK\Trace\SpanExporterInterface;

/** In place of OpenTelemetry's collector: a file for the spans that it would be sent. */
final class SpanFile implements SpanExporterFactoryInterface, SpanExporterInterface
{
    use SpanExporterTrait;

    public function create(): SpanExporterInterface
    {
        return new self;
    }

    /** @param  iterable<SpanDataInterface>  $spans */
    protected function doExport(iterable $spans): bool
    {
        foreach ($spans as $span) {
            $of = $span->getParentContext()->isValid() ? 'a child of '.$span->getAttributes()->get('of') : 'a root';
            file_put_contents(getenv('KQUEUE_TEST_FOLDER').'/spans', "{$span->getName()} is {$of}\n", FILE_APPEND);
        }

        return true;
    }
}
