import { context, trace, type Attributes, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  MeterProvider,
  MetricReader,
  type HistogramMetricData,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { instrumentSessions, type SessionInstrumentationOptions } from 'nestjs-session-stores/opentelemetry';
import { onTestFinished } from 'vitest';

/** Metrics and spans as an SDK collects them, until the test has finished. */
export interface Telemetry {
  tracer: Tracer;
  stop(): void;
  /** The finished spans of the package. */
  spans(): ReadableSpan[];
  /** The metrics that were recorded, by name. */
  metrics(): Promise<Map<string, MetricData>>;
  /** The values of a counter, by attributes. */
  counts(name: string): Promise<{ attributes: Attributes; value: number }[]>;
}

class Reader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

/** Instruments the stores of this process. */
export function collect(options: SessionInstrumentationOptions = {}): Telemetry {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const reader = new Reader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const stop = instrumentSessions({ meterProvider, tracerProvider, ...options });
  onTestFinished(async () => {
    stop();
    context.disable();
    trace.disable();
    await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]);
  });
  const metrics = async (): Promise<Map<string, MetricData>> => {
    const { resourceMetrics } = await reader.collect();
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(
      all.filter(({ dataPoints }) => dataPoints.length > 0).map((one) => [one.descriptor.name, one]),
    );
  };
  return {
    tracer: tracerProvider.getTracer('test'),
    stop,
    spans: () =>
      exporter
        .getFinishedSpans()
        .filter(({ instrumentationScope }) => instrumentationScope.name === 'nestjs-session-stores'),
    metrics,
    async counts(name) {
      const found = (await metrics()).get(name);
      return (found?.dataPoints ?? []).map(({ attributes, value }) => ({
        attributes,
        value: value as number,
      }));
    },
  };
}

/** The calls that a histogram has recorded, as operation and error. */
export function callsIn(histogram: MetricData | undefined): string[] {
  return ((histogram as HistogramMetricData | undefined)?.dataPoints ?? []).flatMap(({ attributes, value }) =>
    Array.from({ length: value.count }, () =>
      [attributes['db.operation.name'], attributes['error.type']].filter(Boolean).join(' '),
    ),
  );
}
