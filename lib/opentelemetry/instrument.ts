import { metrics, trace, type MeterProvider, type TracerProvider } from '@opentelemetry/api';
import { checkFlag, checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import { countEvents, measureCalls } from './metrics.js';
import { CallSpans } from './spans.js';
import { subscribeToCalls } from './subscribe.js';

/** The options of `instrumentSessions`. */
export interface SessionInstrumentationOptions {
  /** Makes the instruments of metrics; default: the global one. */
  meterProvider?: MeterProvider | undefined;
  /** Makes the spans; default: the global one. */
  tracerProvider?: TracerProvider | undefined;
  /** Whether calls to stores become spans; default `true`. */
  spans?: boolean | undefined;
}

/** The name of the instrumentation scope. */
const SCOPE = 'nestjs-session-stores';

/**
 * Makes metrics and spans of what all session stores in this process do. Call it once, after OpenTelemetry has started.
 * Returns a function that stops it. Throws a `TypeError` for invalid options.
 *
 * A call to a store becomes a span if a span is active when it is made, such as that of a request. No attribute has a
 * session id, a group, session data or an error message.
 */
export function instrumentSessions(options: SessionInstrumentationOptions = {}): () => void {
  checkOptionsObject('instrumentSessions', options, 'instrumentSessions({ spans: false })');
  const { meterProvider = metrics, tracerProvider = trace, spans = true, ...others } = options;
  checkNoOthers('instrumentSessions', others, 'meterProvider, tracerProvider, spans');
  checkFlag('spans', spans);
  const meter = meterProvider.getMeter(SCOPE);
  const measure = measureCalls(meter);
  const tracing = spans ? new CallSpans(tracerProvider.getTracer(SCOPE)) : undefined;
  const stops = [
    subscribeToCalls({
      begin: (call) => tracing?.begin(call),
      end(call) {
        measure(call, tracing?.contextOf(call));
        tracing?.end(call);
      },
    }),
    countEvents(meter),
    () => tracing?.stop(),
  ];
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}
