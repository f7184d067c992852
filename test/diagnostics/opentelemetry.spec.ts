import { hasSubscribers } from 'node:diagnostics_channel';
import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { trace, context, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { HistogramMetricData } from '@opentelemetry/sdk-metrics';
import { sessionMiddleware, type Session } from 'nestjs-session-stores';
import { instrumentSessions } from 'nestjs-session-stores/opentelemetry';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import { HeldStore } from '../cache/held.store.js';
import { eventually } from '../eventually.js';
import { serveApp, tokenOf, type Handler } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serveForTest } from '../http/server.js';
import { aRecord } from '../record.js';
import { FailingStore } from './failing.store.js';
import { namesIn, rowsUnder } from './reference.js';
import { callsIn, collect } from './telemetry.js';

describe('a call to a store', () => {
  it('is a span below the one that is active when it is made, however many run in parallel', async () => {
    const telemetry = collect();
    const store = new RedisStore({ ...inject('redis'), prefix: randomUUID() });
    const middleware = sessionMiddleware({ secret: 'otel', store });
    const listener: RequestListener = (req, res) => {
      const request = telemetry.tracer.startSpan(`request ${req.url}`);
      context.with(trace.setSpan(context.active(), request), () =>
        middleware(req, res, () => {
          const { session } = req as unknown as { session: Session & Record<string, unknown> };
          session['at'] = req.url;
          res.end(request.spanContext().traceId);
          request.end();
        }),
      );
    };
    const { url } = await serveForTest(listener, middleware);
    const browsers = Array.from({ length: 8 }, () => new Browser(url));
    await Promise.all(browsers.map((browser, at) => browser.get(`/login/${at}`)));
    const before = telemetry.spans().length;
    const responses = await Promise.all(browsers.map((browser, at) => browser.get(`/${at}`)));

    const byTrace = new Map<string, string[]>();
    for (const span of telemetry.spans().slice(before)) {
      const { name, kind, attributes, status } = span;
      const { traceId } = span.spanContext();
      byTrace.set(traceId, [...(byTrace.get(traceId) ?? []), name]);
      expect({ kind, system: attributes['db.system.name'], status }).toEqual({
        kind: SpanKind.CLIENT,
        system: 'redis',
        status: { code: SpanStatusCode.UNSET },
      });
    }
    expect(Object.fromEntries(byTrace)).toEqual(
      Object.fromEntries(responses.map(({ text }) => [text, ['read sessions', 'update sessions']])),
    );
  });

  it('without an active span is measured, and is no span', async () => {
    const telemetry = collect();
    const store = new ClusterStore({ name: randomUUID() });
    await store.open();
    await store.read('absent');
    await store.close();
    expect(telemetry.spans()).toEqual([]);
    const duration = (await telemetry.metrics()).get('db.client.operation.duration');
    expect(callsIn(duration).toSorted()).toEqual(['close', 'open', 'read']);
  });

  it('is measured in seconds, in the buckets of the semantic conventions, with the name of its system', async () => {
    const telemetry = collect();
    const store = new MongoStore({ uri: inject('mongo').url, collection: randomUUID() });
    await store.open();
    await store.close();
    const duration = (await telemetry.metrics()).get('db.client.operation.duration') as HistogramMetricData;
    expect(duration.descriptor).toMatchObject({ unit: 's' });
    for (const { value, attributes } of duration.dataPoints) {
      expect(value.buckets.boundaries).toEqual([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]);
      expect(value.sum).toBeLessThan(2);
      expect(attributes['db.system.name']).toBe('mongodb');
    }
  });

  it('that fails is a span with the status ERROR, whose error.type is that of the metric', async () => {
    const telemetry = collect();
    const store = new FailingStore({ timeout: 20 });
    await telemetry.tracer.startActiveSpan('request', async (request) => {
      for (const run of [() => store.read('k'), () => store.destroy('k'), () => store.read('\ud800')])
        await expect(run()).rejects.toThrow();
      request.end();
    });
    const types = ['read SessionStoreError', 'destroy timeout', 'read TypeError'];
    expect(
      telemetry
        .spans()
        .map(({ attributes }) => `${attributes['db.operation.name']} ${attributes['error.type']}`),
    ).toEqual(types);
    for (const { status, attributes, events } of telemetry.spans()) {
      expect(status).toEqual({ code: SpanStatusCode.ERROR });
      expect(events).toEqual([]);
      expect(JSON.stringify(attributes)).not.toContain('10.0.0.7');
    }
    const duration = (await telemetry.metrics()).get('db.client.operation.duration');
    expect(callsIn(duration).toSorted()).toEqual(types.toSorted());
  });

  it('is no span with spans: false', async () => {
    const telemetry = collect({ spans: false });
    const store = new ClusterStore({ name: randomUUID() });
    await telemetry.tracer.startActiveSpan('request', (request) =>
      store.open().then(() => {
        request.end();
        return store.close();
      }),
    );
    expect(telemetry.spans()).toEqual([]);
  });
});

describe('the function that instrumentSessions() returns', () => {
  it('ends everything, the spans of calls in progress too', async () => {
    const telemetry = collect();
    const store = new FailingStore({ timeout: 50 });
    let call: Promise<boolean> | undefined;
    telemetry.tracer.startActiveSpan('request', (request) => {
      call = store.destroy('k');
      request.end();
    });
    expect(telemetry.spans()).toEqual([]);
    telemetry.stop();
    telemetry.stop();
    await expect(call).rejects.toThrow('timed out');
    expect(telemetry.spans().map(({ name }) => name)).toEqual(['destroy sessions']);
    expect(await telemetry.metrics()).toEqual(new Map());
    const channels = [
      'tracing:nestjs-session-stores:store:start',
      'tracing:nestjs-session-stores:store:asyncEnd',
    ];
    for (const one of ['session', 'feed', 'cache']) channels.push(`nestjs-session-stores:${one}`);
    expect(channels.filter((name) => hasSubscribers(name))).toEqual([]);
  });
});

it.each([
  [
    { span: false },
    'Unknown instrumentSessions option "span". Valid options: meterProvider, tracerProvider, spans',
  ],
  [{ spans: 'no' }, 'spans must be true or false'],
])('instrumentSessions() rejects the options %o', (options, message) => {
  expect(() => instrumentSessions(options as never)).toThrow(message);
});

describe('the names in docs/reference/diagnostics.md', () => {
  const handlers: Record<string, Handler> = {
    '/login': async (session) => {
      await session.regenerate();
      session['user'] = 'ada';
    },
    '/join': (session) => session.joinGroup('user:ada', { max: 1, whenFull: 'end-oldest' }).then(() => null),
    '/reject': (session) => session.joinGroup('user:ada', { max: 1, whenFull: 'reject' }).catch(() => null),
    '/rotate': (session) => session.rotate({ grace: 0 }),
    '/logout': (session) => session.destroy(),
    '/': () => null,
  };

  it('are those of the metrics and attributes that are recorded', async () => {
    const telemetry = collect();
    const inner = new HeldStore();
    const app = await serveApp(handlers, { store: inner, cache: true });
    const [one, other] = [app.browser(), app.browser()];
    for (const browser of [one, other]) await browser.get('/login');
    await one.get('/login');
    await one.post('/join');
    await other.post('/reject');
    await other.post('/join');
    await one.get('/login');
    const thief = one.clone();
    await one.get('/rotate');
    await thief.post('/');
    for (let n = 0; n < 2; n++) await one.get('/');
    const { id } = tokenOf(one);
    await one.post('/logout');
    await inner.clear();
    inner.loseFeed();
    await eventually(() => inner.feedState === 'live');
    await telemetry.tracer.startActiveSpan('request', async (request) => {
      await inner.create(aRecord('private-id'));
      await expect(inner.read('\ud800')).rejects.toThrow(TypeError);
      request.end();
    });

    const recorded = [...(await telemetry.metrics()).values()].map(({ descriptor, dataPoints }) => ({
      name: descriptor.name,
      unit: descriptor.unit,
      attributes: [...new Set(dataPoints.flatMap(({ attributes }) => Object.keys(attributes)))].toSorted(),
    }));
    const documented = rowsUnder('Metrics').map(([name, , unit, attributes]) => ({
      name: namesIn(name)[0]!,
      unit: namesIn(unit)[0]!,
      attributes: namesIn(attributes).toSorted(),
    }));
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    expect(recorded.toSorted(byName)).toEqual(documented.toSorted(byName));

    const spans = telemetry.spans().flatMap(({ attributes }) => Object.keys(attributes));
    const attributes = [...new Set([...spans, ...recorded.flatMap((metric) => metric.attributes)])];
    const rows = rowsUnder('Attributes');
    expect(attributes.toSorted()).toEqual(rows.map(([name]) => namesIn(name)[0]).toSorted());

    const ended = await telemetry.counts('nestjs_session_stores.sessions.ended');
    expect(ended.map(({ attributes: its }) => its['nestjs_session_stores.reason']).toSorted()).toEqual([
      'cleared',
      'destroyed',
      'limited',
    ]);
    const everything = JSON.stringify([
      ...(await telemetry.metrics()).values(),
      ...telemetry.spans().map((span) => span.attributes),
    ]);
    for (const secret of ['user:ada', 'private-id', id]) expect(everything).not.toContain(secret);
  });
});
