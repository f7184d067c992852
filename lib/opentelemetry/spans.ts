import { context, SpanKind, SpanStatusCode, trace, type Context, type Tracer } from '@opentelemetry/api';
import type { SessionStoreMessage } from '../contract/diagnostics.js';
import { attributesOf } from './attributes.js';

/** The spans of the calls to stores that are in progress. */
export class CallSpans {
  readonly #tracer: Tracer;
  readonly #contexts = new Map<SessionStoreMessage, Context>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** Begins a span under the active one. Without an active one there is none, as for a call by a timer. */
  begin(call: SessionStoreMessage): void {
    const parent = context.active();
    if (!trace.getSpan(parent)) return;
    const options = { kind: SpanKind.CLIENT, attributes: attributesOf(call) };
    const span = this.#tracer.startSpan(`${call.operation} sessions`, options, parent);
    this.#contexts.set(call, trace.setSpan(parent, span));
  }

  /** The context with the span of a call in progress; `undefined` if it has none. */
  contextOf(call: SessionStoreMessage): Context | undefined {
    return this.#contexts.get(call);
  }

  end(call: SessionStoreMessage): void {
    const its = this.#contexts.get(call);
    if (!its) return;
    this.#contexts.delete(call);
    const span = trace.getSpan(its)!;
    span.setAttributes(attributesOf(call));
    if (call.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  /** Ends the spans of the calls in progress. */
  stop(): void {
    for (const its of this.#contexts.values()) trace.getSpan(its)!.end();
    this.#contexts.clear();
  }
}
