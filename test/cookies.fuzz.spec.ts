import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { serveApp, tokenOf, type TestApp } from './http/app.js';
import { Random } from './http/random.js';
import { RawClient } from './http/raw.client.js';

const SEED = Number(process.env['SEED'] ?? 1);
const RANDOM = 7000;
const MUTATED = 3000;
const SECRET = 'fuzz';

/** A token as it appears in a Cookie header, and its session id. */
interface Valid {
  id: string;
  value: string;
}

async function fuzzed(): Promise<TestApp & { valid: [Valid, Valid] }> {
  const app = await serveApp(
    {
      '/login': (session) => void (session['user'] = 'ann'),
      '/': (session) => ({ reached: true, id: session.id, user: (session['user'] as unknown) ?? null }),
    },
    { secret: SECRET },
  );
  const login = async (): Promise<Valid> => {
    const browser = app.browser();
    await browser.get('/login');
    return { id: tokenOf(browser).id, value: browser.cookies.get('sid')! };
  };
  return { ...app, valid: [await login(), await login()] };
}

const signed = (token: string, secret: string): string =>
  `s:${token}.${createHmac('sha256', secret).update(token).digest('base64').replace(/=+$/, '')}`;

/** The session ids of the complete valid tokens in a header, which may be escaped and quoted. */
function idsIn(header: Buffer, valid: readonly Valid[]): string[] {
  const values = header
    .toString('latin1')
    .split(';')
    .map((pair) => /^\s*sid\s*=\s*"?(.*?)"?\s*$/s.exec(pair)?.[1])
    .map((value) => {
      try {
        return value && decodeURIComponent(value);
      } catch {
        return undefined;
      }
    });
  return valid.filter(({ value }) => values.includes(decodeURIComponent(value))).map(({ id }) => id);
}

describe(`a Cookie header with arbitrary bytes (SEED=${SEED})`, () => {
  it(`gets a response and never a session: ${RANDOM} random headers`, async () => {
    const app = await fuzzed();
    app.store.take();
    const random = new Random(SEED);
    const client = new RawClient(app.port);
    const starts = [
      '',
      'sid=',
      'sid=s:',
      'sid=s%3A',
      'sid="s:',
      'a=b; sid=',
      '; ;sid = ',
      '=;sid==',
      '%73id=',
    ];
    let reached = 0;
    for (let sent = 0; sent < RANDOM; sent++) {
      // Most headers lack the bytes that Node's own parser rejects, so that they get past it.
      const any = random.chance(0.1);
      const structured = random.chance(0.5);
      const bytes = Array.from({ length: random.between(0, random.chance(0.005) ? 20_000 : 200) }, () => {
        if (any) return random.between(0, 256);
        if (structured) return random.pick([...Buffer.from('sid=:;%,"\\ ..AZaz09-_')]);
        return random.pick([random.between(0x20, 0x7f), random.between(0x80, 0x100)]);
      });
      const header = Buffer.concat([Buffer.from(random.pick(starts)), Buffer.from(bytes)]);
      const { status, body } = await client.get(header);
      const context = `request ${sent}: ${header.toString('base64').slice(0, 400)}`;
      if (status === 200) {
        reached++;
        expect(JSON.parse(body), context).toMatchObject({ reached: true, user: null });
      } else {
        expect([400, 431], context).toContain(status);
      }
      expect(app.store.take(), context).toEqual([]);
    }
    client.close();
    expect(reached).toBeGreaterThan(RANDOM / 2);
    expect(app.logged).toEqual([]);
  }, 120_000);

  it(`gets a session only with a complete valid token: ${MUTATED} mutations of valid headers`, async () => {
    const app = await fuzzed();
    const [one, two] = app.valid;
    const random = new Random(SEED + 1);
    const client = new RawClient(app.port);
    const tokens = app.valid.map(({ value }) => {
      const [, id, secret, signature] = /^s:(.*?)\.(.*?)\.(.*)$/.exec(decodeURIComponent(value))!;
      return { id: id!, secret: secret!, signature: signature! };
    });
    const [first, second] = tokens as [(typeof tokens)[0], (typeof tokens)[0]];
    // Any text may be an id, for example that of a session that has moved from another package.
    const absent = `x${first.id}`;
    const pair = (value: string): Buffer => Buffer.from(`sid=${value}`, 'latin1');
    const at = (text: string): number => random.between(0, text.length);

    const mutations: ((value: string) => Buffer)[] = [
      (value) => {
        const bytes = pair(value);
        bytes[random.between(4, bytes.length)]! ^= 1 << random.between(0, 8);
        return bytes;
      },
      (value) => pair(value.slice(0, at(value))),
      (value) => pair(value.slice(at(value))),
      (value) =>
        pair(
          value.slice(0, at(value)) +
            String.fromCharCode(random.between(0x20, 0x100)) +
            value.slice(at(value)),
        ),
      (value) => pair(`${value}; sid=${value}`),
      (value) => pair(`${value.slice(0, -1)}; sid=${value}`),
      (value) => pair(`"${value}"`),
      (value) => pair(`"${value}`),
      (value) =>
        pair(
          value.replace(/[\w-]/g, (char) =>
            random.chance(0.2) ? `%${char.charCodeAt(0).toString(16)}` : char,
          ),
        ),
      (value) => pair(value.replace('%3A', random.pick([':', '%3a', '%253A', '%3', '%', '']))),
      (value) => pair(random.chance(0.5) ? value.toLowerCase() : value.toUpperCase()),
      (value) => Buffer.from(`${random.pick(['SID', 'sid2', 'xsid', ' sid', '$sid', '__proto__'])}=${value}`),
      () => pair(encodeURIComponent(signed(`${first.id}.${first.secret}`, 'another secret'))),
      () => pair(encodeURIComponent(signed(`${first.id}.${first.secret}`, ''))),
      () => pair(encodeURIComponent(`s:${first.id}.${second.secret}.${first.signature}`)),
      () => pair(encodeURIComponent(`s:${second.id}.${first.secret}.${first.signature}`)),
      () => pair(encodeURIComponent(`s:${first.id}.${first.secret}.${second.signature}`)),
      () => pair(encodeURIComponent(`s:${first.id}.${second.id}.${first.secret}.${first.signature}`)),
      () => pair(encodeURIComponent(`${first.id}.${first.secret}`)),
      () => pair(encodeURIComponent(`s:${first.id}.${first.secret}`)),
      () => pair(encodeURIComponent(`s:${first.id}.${first.signature}`)),
      // Correctly signed, but not a token.
      () =>
        pair(
          encodeURIComponent(
            signed(random.pick([first.id, `.${first.secret}`, `${first.id}.`, '.', '']), SECRET),
          ),
        ),
      () => pair(encodeURIComponent(signed(`${first.id}.${first.secret}x`, SECRET))),
      () => pair(encodeURIComponent(signed(`${first.id}.${first.secret}.x`, SECRET))),
      () => pair(encodeURIComponent(signed(`${first.id}.${first.secret}.1234567890123`, SECRET))),
      () => pair(encodeURIComponent(`s:${first.id}.${first.secret}.9999999999.${first.signature}`)),
      () => pair(encodeURIComponent(signed(`${absent}.${first.secret}`, SECRET))),
    ];

    let reached = 0;
    let accepted = 0;
    for (let sent = 0; sent < MUTATED; sent++) {
      const header = mutations[sent % mutations.length]!(random.pick([one, two]).value);
      app.store.calls = [];
      const { status, body } = await client.get(header);
      const context = `request ${sent}: ${header.toString('latin1')}`;
      if (status !== 200) {
        expect(status, context).toBe(400);
        continue;
      }
      reached++;
      const good = idsIn(header, app.valid);
      for (const { operation, id } of app.store.calls) {
        expect(operation, context).toBe('read');
        expect([...good, absent], context).toContain(id);
      }
      const isFound = app.store.calls.some(({ id }) => id !== absent);
      const response = JSON.parse(body) as { id: string; user: string | null };
      expect(response.user, context).toBe(isFound ? 'ann' : null);
      expect(good.includes(response.id), context).toBe(isFound);
      if (response.user !== null) accepted++;
    }
    client.close();
    expect(reached).toBeGreaterThan(MUTATED / 2);
    // A duplicated token, and one that is escaped as a client may, are still valid.
    expect(accepted).toBeGreaterThan(MUTATED / 20);
    expect(app.logged).toEqual([]);
  }, 120_000);
});
