import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ClientToken } from './client-token.js';

const LIFETIME = 1_000_000;

/** Signs with the secret and the stamp in clear, and counts how often. */
function aSigner() {
  const signed: string[] = [];
  return {
    signed,
    sign({ id, secret }: { id: string; secret: string }, stamp: number | undefined): string {
      signed.push(`${id}.${secret}.${stamp}`);
      return signed.at(-1)!;
    },
  };
}

describe('the token of a client', () => {
  it('has the hash of its secret, or a hash that is passed', () => {
    expect(new ClientToken('id', 'secret').secretHash).toBe(hash('sha256', 'secret', 'base64url'));
    expect(new ClientToken('id', 'secret', { secretHash: 'known' }).secretHash).toBe('known');
  });

  it('is sent again as it was presented if its stamp is close', () => {
    const signer = aSigner();
    const token = new ClientToken('id', 'secret', { signed: 'presented', stamp: 100 });
    expect(token.signed(signer, 100, LIFETIME, 0.1)).toBe('presented');
    expect(token.signed(signer, 109, LIFETIME, 0.1)).toBe('presented');
    expect(token.stamp).toBe(100);
    expect(signer.signed).toEqual([]);
  });

  it('is signed if its signature is not current, and again when its stamp is no longer close', () => {
    const signer = aSigner();
    const token = new ClientToken('id', 'secret', { stamp: 100 });
    expect(token.signed(signer, 100, LIFETIME, 0.1)).toBe('id.secret.100');
    expect(token.signed(signer, 200, LIFETIME, 0.1)).toBe('id.secret.200');
    expect(token.signed(signer, 200, LIFETIME, 0.1)).toBe('id.secret.200');
    expect(token.stamp).toBe(200);
    expect(signer.signed).toHaveLength(2);
  });

  it('has another secret after a rotation, and the same session id and grace', () => {
    const token = new ClientToken('id', 'secret', { signed: 'presented', stamp: 100 });
    token.graceEnds = 5;
    const next = token.rotated('other');
    expect(next).toMatchObject({ id: 'id', secret: 'other', graceEnds: 5 });
    expect(next.signed(aSigner(), 100, LIFETIME, 0.1)).toBe('id.other.100');
  });
});
