import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_TOKEN_BYTES, type TokenRule, tokenKeys, verifyToken } from './jwt.ts';

const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1000;
const ISSUER = 'https://issuer.example/realm';
const rule: TokenRule = { issuer: ISSUER, audience: 'postern', claims: { sub: 'job-1' } };

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
} as const;
type Alg = keyof typeof pairs;

const jwk = (key: KeyObject, kid: string, more: object = {}): object => ({
  ...key.export({ format: 'jwk' }),
  kid,
  ...more,
});
const JWKS = { keys: Object.entries(pairs).map(([alg, { publicKey }]) => jwk(publicKey, alg)) };
const KEYS = tokenKeys(JWKS);

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const CLAIMS = { iss: ISSUER, aud: 'postern', sub: 'job-1', iat: SECONDS - 10, exp: SECONDS + 600 };

function token(alg: Alg, claims: unknown = CLAIMS, header: object = {}, key = pairs[alg].privateKey): string {
  const signed = `${part({ alg, kid: alg, typ: 'JWT', ...header })}.${part(claims)}`;
  const how = alg === 'ES256' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
  return `${signed}.${sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(signed), how).toString('base64url')}`;
}

const verify = (text: string, rules: readonly TokenRule[] = [rule], keys = KEYS) =>
  verifyToken(text, rules, (issuer) => (issuer === ISSUER ? keys : []), NOW);
const why = (text: string, rules?: readonly TokenRule[], keys = KEYS): string => {
  const result = verify(text, rules, keys);
  return result.ok ? 'taken' : result.why;
};

describe('a token', () => {
  it('is taken with RS256, ES256 and EdDSA, with and without a key id, for one of its audiences', () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA'] as const) {
      assert.equal(why(token(alg)), 'taken');
      assert.equal(why(token(alg, CLAIMS, { kid: undefined })), 'taken');
      assert.equal(why(token(alg, { ...CLAIMS, aud: ['other', 'postern'] })), 'taken');
    }
  });

  it('is not taken without a signature of a key of the issuer that is meant for it', () => {
    const unfit = /does not fit a key of the issuer/;
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    assert.match(why(token('ES256', CLAIMS, {}, stranger)), unfit);
    assert.match(why(token('ES256', CLAIMS, { kid: 'RS256' })), unfit);
    assert.match(why(token('ES256', CLAIMS, { kid: 'unknown' })), unfit);
    assert.match(why(token('ES256', CLAIMS, { kid: 7 })), unfit);
    const [head, body] = token('ES256').split('.');
    assert.match(why(`${head}.${body}.AA`), unfit);
    assert.match(why(`${head}.${body}.${Buffer.alloc(64).toString('base64url')}`), unfit);
    const other = part({ ...CLAIMS, sub: 'job-2' });
    assert.match(why(token('ES256').replace(`.${body}.`, `.${other}.`)), unfit);
    const der = sign('sha256', Buffer.from(`${head}.${body}`), pairs.ES256.privateKey).toString('base64url');
    assert.match(why(`${head}.${body}.${der}`), unfit);
  });

  it('is not taken with another algorithm, least of all none or a secret that everybody knows', () => {
    const signed = `${part({ alg: 'HS256', kid: 'RS256' })}.${part(CLAIMS)}`;
    const pem = pairs.RS256.publicKey.export({ type: 'spki', format: 'pem' });
    const confused = createHmac('sha256', pem).update(signed).digest('base64url');
    assert.match(why(`${signed}.${confused}`), /in a way that is not taken/);
    for (const alg of [
      'none',
      'None',
      'HS512',
      'RS1',
      'PS256',
      'ES384',
      '',
      'toString',
      '__proto__',
      null,
      1,
    ]) {
      const text = `${part({ alg })}.${part(CLAIMS)}.AA`;
      assert.match(why(text), /in a way that is not taken/);
    }
    assert.match(why(`${part({ alg: 'none' })}.${part(CLAIMS)}.`), /malformed/);
    assert.match(why(token('ES256', CLAIMS, { crit: ['b64'], b64: false })), /extensions that are not known/);
  });

  it('brings no key of its own', () => {
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const header = {
      jwk: jwk(own.publicKey, 'own'),
      kid: 'own',
      jku: 'https://evil.example/keys',
      x5c: ['x'],
    };
    assert.match(why(token('ES256', CLAIMS, header, own.privateKey)), /does not fit a key/);
  });

  it('is taken in its time alone, which is a day at most', () => {
    for (const [over, pattern] of [
      [{ exp: SECONDS }, /has expired/],
      [{ exp: SECONDS - 1 }, /has expired/],
      [{ exp: undefined }, /from when and until when/],
      [{ exp: '9999999999' }, /from when and until when/],
      [{ exp: null }, /from when and until when/],
      [{ exp: SECONDS + 90_000 }, /more than a day/],
      [{ exp: 1e300 }, /more than a day/],
      [{ iat: undefined }, /from when and until when/],
      [{ iat: SECONDS + 61 }, /not valid yet/],
      [{ nbf: SECONDS + 61 }, /not valid yet/],
      [{ nbf: 'soon' }, /from when and until when/],
    ] as const) {
      assert.match(why(token('ES256', { ...CLAIMS, ...over })), pattern, JSON.stringify(over));
    }
    assert.equal(why(token('ES256', { ...CLAIMS, iat: SECONDS + 59, nbf: SECONDS + 59 })), 'taken');
  });

  it('is taken from the issuer, for the audience, and with the claims of a binding, to the letter', () => {
    for (const [over, pattern] of [
      [{ iss: `${ISSUER}/` }, /of an issuer that this principal is not bound to/],
      [{ iss: ISSUER.toUpperCase() }, /is not bound to/],
      [{ iss: [ISSUER] }, /is not bound to/],
      [{ iss: undefined }, /is not bound to/],
      [{ aud: 'Postern' }, /for another audience/],
      [{ aud: undefined }, /for another audience/],
      [{ aud: [['postern']] }, /for another audience/],
      [{ aud: { postern: 1 } }, /for another audience/],
      [{ sub: 'job-10' }, /does not say what the binding asks for/],
      [{ sub: ['job-1'] }, /does not say what the binding asks for/],
      [{ sub: undefined }, /does not say what the binding asks for/],
    ] as const) {
      assert.match(why(token('ES256', { ...CLAIMS, ...over })), pattern, JSON.stringify(over));
    }
    assert.match(why(token('ES256'), [{ ...rule, claims: {} }]), /does not say/, 'no claims are no binding');
    assert.match(why(token('ES256'), [{ ...rule, claims: { toString: 'x' } }]), /does not say/);
    assert.match(why(token('ES256'), []), /is not bound to/);
    const second: TokenRule = { ...rule, claims: { sub: 'job-1', ref: 'main' } };
    const result = verify(token('ES256', { ...CLAIMS, ref: 'main' }), [
      { ...rule, audience: 'other' },
      { ...rule, claims: { sub: 'job-9' } },
      second,
    ]);
    assert.ok(result.ok);
    assert.equal(result.rule, second);
  });

  it('is refused where the keys of its issuer are not known', () => {
    assert.match(why(token('ES256'), [rule], []), /not known yet/);
  });

  it('is refused when it is too long, and never fails in another way on any text', () => {
    assert.match(why('e'.repeat(MAX_TOKEN_BYTES + 1)), /too long/);
    for (const bad of [
      '',
      '.',
      '..',
      'a.b',
      'a.b.c',
      'a.b.c.d',
      `${part('[]')}.${part('[]')}.AA`,
      'ey.ey.ey',
    ])
      assert.match(why(bad), /malformed/);
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc
        .tuple(fc.json(), fc.json(), fc.base64String())
        .map(([a, b, c]) => `${part(a)}.${part(b)}.${part(c)}`),
      fc
        .record({ alg: fc.constantFrom('RS256', 'ES256', 'EdDSA'), kid: fc.string() })
        .chain((header) => fc.json().map((body) => `${part(header)}.${part(body)}.AAAA`)),
    );
    fc.assert(fc.property(text, (bad) => !verify(bad).ok));
  });
});

describe('keys of an issuer', () => {
  it('are those that verify tokens; others are passed over', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
    const good = pairs.ES256.publicKey;
    const kids = tokenKeys({
      keys: [
        jwk(weak, 'weak'),
        jwk(curve, 'curve'),
        jwk(good, 'encryption', { use: 'enc' }),
        jwk(good, 'another algorithm', { alg: 'ES384' }),
        { kty: 'oct', k: 'AAAA', kid: 'secret' },
        { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'no point' },
        jwk(generateKeyPairSync('x25519').publicKey, 'x25519'),
        ...[null, 7, 'x', [], {}],
        jwk(good, 'good', { use: 'sig', alg: 'ES256' }),
      ],
    }).map(({ kid }) => kid);
    assert.deepEqual(kids, ['good']);
    for (const bad of [null, {}, [], { keys: {} }, { keys: null }, 'x']) assert.deepEqual(tokenKeys(bad), []);
  });

  it('are held without what is private, and not without number', () => {
    const [key] = tokenKeys({ keys: [jwk(pairs.ES256.privateKey, 'oops')] });
    assert.equal(key?.key.type, 'public');
    const many = Array.from({ length: 1000 }, () => jwk(pairs.ES256.publicKey, 'same'));
    assert.ok(tokenKeys({ keys: many }).length <= 32);
  });
});
