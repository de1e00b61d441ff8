import assert from 'node:assert/strict';
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_TOKEN_BYTES, tokenKeys } from './jws.ts';
import { type TokenRule, verifyToken } from './jwt.ts';

const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1000;
const ISSUER = 'https://issuer.example/realm';
const rule: TokenRule = { issuer: ISSUER, audience: 'postern', claims: { sub: 'job-1' } };

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  EdDSA: generateKeyPairSync('ed25519'),
} as const;
type Alg = keyof typeof pairs;

const jwk = (key: KeyObject, kid: string, more: object = {}): object => ({
  ...key.export({ format: 'jwk' }),
  kid,
  ...more,
});
const JWKS = {
  keys: Object.entries(pairs).map(([alg, { publicKey }]) =>
    jwk(publicKey, alg, alg === 'PS256' ? { alg } : {}),
  ),
};
const KEYS = tokenKeys(JWKS);

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const CLAIMS = { iss: ISSUER, aud: 'postern', sub: 'job-1', iat: SECONDS - 10, exp: SECONDS + 600 };

const HOW = {
  RS256: {},
  PS256: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  ES256: { dsaEncoding: 'ieee-p1363' },
  ES384: { dsaEncoding: 'ieee-p1363' },
  EdDSA: {},
} as const;

/** @param claims an object, or the text of one */
function token(alg: Alg, claims: unknown = CLAIMS, header: object = {}, key = pairs[alg].privateKey): string {
  const signed = `${part({ alg, kid: alg, typ: 'JWT', ...header })}.${part(claims)}`;
  const hash = alg === 'EdDSA' ? null : alg === 'ES384' ? 'sha384' : 'sha256';
  return `${signed}.${sign(hash, Buffer.from(signed), { key, ...HOW[alg] }).toString('base64url')}`;
}

const verify = (text: string, rules: readonly TokenRule[] = [rule], keys = KEYS) =>
  verifyToken(text, rules, (issuer) => (issuer === ISSUER ? keys : []), NOW);
const why = (text: string, rules?: readonly TokenRule[], keys = KEYS): string => {
  const result = verify(text, rules, keys);
  return result.ok ? 'taken' : result.why;
};

describe('a token', () => {
  it('is taken with each algorithm of the list, with and without a key id, for one audience', () => {
    for (const alg of Object.keys(pairs) as Alg[]) {
      assert.equal(why(token(alg)), 'taken', alg);
      assert.equal(why(token(alg, CLAIMS, { kid: undefined })), 'taken');
      assert.equal(why(token(alg, { ...CLAIMS, aud: ['postern'] })), 'taken');
    }
    assert.equal(why(token('EdDSA', CLAIMS, { alg: 'Ed25519' })), 'taken', 'as RFC 9864 calls it');
    for (const typ of ['JWT', 'jwt', 'application/JWT', undefined])
      assert.equal(why(token('ES256', CLAIMS, { typ })), 'taken');
  });

  it('is told again by its issuer and id, or by what was signed, whatever its signature is', () => {
    const use = (text: string): string => {
      const result = verify(text);
      assert.ok(result.ok);
      return result.token.use;
    };
    const named = { ...CLAIMS, jti: 'one' };
    assert.equal(use(token('ES256', named)), use(token('RS256', { ...named, exp: SECONDS + 500 })));
    assert.notEqual(use(token('ES256', named)), use(token('ES256', { ...CLAIMS, jti: 'two' })));
    const [first, second] = [token('ES256'), token('ES256')];
    assert.notEqual(first, second, 'ECDSA signs with chance');
    assert.equal(use(first), use(second));
    assert.notEqual(use(first), use(token('ES256', { ...CLAIMS, exp: SECONDS + 601 })));
  });

  it('is not taken when it was made for another end: access, logout, possession', () => {
    const other = /of a type that proves nobody/;
    for (const typ of ['at+jwt', 'application/at+jwt', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', 'JOSE', ''])
      assert.match(why(token('ES256', CLAIMS, { typ })), other);
    assert.match(why(token('ES256', CLAIMS, { typ: 7 })), /malformed/);
    const logout = { 'http://schemas.openid.net/event/backchannel-logout': {} };
    assert.match(why(token('ES256', { ...CLAIMS, events: logout })), /tells of events/);
    assert.match(why(token('ES256', { ...CLAIMS, cnf: { jkt: 'x' } })), /bound to a key/);
    assert.match(why(token('ES256', CLAIMS, { cty: 'JWT' })), /extensions that are not known/);
  });

  it('is not taken when two readers could read it differently', () => {
    const json = JSON.stringify(CLAIMS);
    for (const bad of [
      json.replace('{', '{"sub":"job-2",'),
      json.replace('{', '{"\\u0073ub":"job-2",'),
      json.replace('}', ',"x":{"y":1,"y":2}}'),
      json.replace('}', `,"x":${'['.repeat(9)}${']'.repeat(9)}}`),
      `\ufeff${json}`,
      `${json} x`,
    ])
      assert.match(why(token('ES256', bad)), /malformed/, bad);
    const header = '{"alg":"ES256","alg":"none","kid":"ES256"}';
    const signed = `${part(header)}.${part(CLAIMS)}`;
    const how = { key: pairs.ES256.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    const twice = `${signed}.${sign('sha256', Buffer.from(signed), how).toString('base64url')}`;
    assert.match(why(twice), /malformed/);
  });

  it('has one spelling: padding, other alphabets and bits that mean nothing are refused', () => {
    const good = token('RS256');
    const [head = '', body = '', mark = ''] = good.split('.');
    assert.equal(why(good), 'taken');
    for (const bad of [
      `${good}=`,
      `${head}=.${body}.${mark}`,
      `${head}.${body}.${mark}.`,
      ` ${good}`,
      `${good}\n`,
      `${head}.${body}.${mark.slice(0, -1)}${mark.endsWith('g') ? 'h' : String.fromCharCode(mark.charCodeAt(mark.length - 1) + 1)}`,
      `${head}.${body}.${mark.replace(/[-_]/, '+')}+`,
    ])
      assert.match(why(bad), /malformed/, bad.slice(-4));
  });

  it('says numbers and truth as JSON does, nested claims by pointer, and lists where a rule asks for one of them', () => {
    const claims = {
      ...CLAIMS,
      id: 74,
      on: true,
      half: 1.5,
      'a.b/c': 'flat',
      'kubernetes.io': { serviceaccount: { uid: 'u-1' }, list: ['x'] },
      teams: ['one', 2],
    };
    const says = (wanted: Record<string, string>, contains?: Record<string, string>): string =>
      why(token('ES256', claims), [{ ...rule, claims: wanted, ...(contains && { contains }) }]);
    for (const wanted of [
      { id: '74' },
      { on: 'true' },
      { 'a.b/c': 'flat' },
      { '/kubernetes.io/serviceaccount/uid': 'u-1' },
    ])
      assert.equal(says(wanted as Record<string, string>), 'taken');
    for (const wanted of [
      { id: '74.0' },
      { on: '1' },
      { half: '1.5' },
      { '/kubernetes.io/serviceaccount/name': 'u-1' },
      { '/kubernetes.io/serviceaccount': 'u-1' },
      { '/kubernetes.io/list/0': 'x' },
      { '/sub': 'job-1' },
      { '': 'x' },
      { '/a.b~1c/': 'flat' },
      { '/teams/length': '2' },
      { '/constructor/name': 'Object' },
      { teams: 'one' },
    ])
      assert.match(says(wanted as Record<string, string>), /does not say/, JSON.stringify(wanted));
    const sub = { sub: 'job-1' };
    assert.equal(says(sub, { teams: 'one' }), 'taken');
    assert.equal(says(sub, { teams: '2' }), 'taken');
    assert.match(says(sub, { teams: 'three' }), /does not say/);
    assert.match(says(sub, { sub: 'job-1' }), /does not say/);
    assert.match(says({}, { teams: 'one' }), /does not say/, 'a list alone is no binding');
  });

  it('asks for newer keys where its own is not known, and only there', () => {
    const unknown = (text: string, keys = KEYS): string | undefined => {
      const result = verify(text, [rule], keys);
      assert.ok(!result.ok);
      return result.unknownKeyOf;
    };
    assert.equal(unknown(token('ES256', CLAIMS, { kid: 'next' })), ISSUER);
    assert.equal(unknown(token('ES256'), []), ISSUER);
    assert.equal(
      unknown(token('ES256', { ...CLAIMS, iss: 'https://other.example' }, { kid: 'next' })),
      undefined,
    );
    assert.equal(unknown(token('ES256', { ...CLAIMS, exp: SECONDS - 1 })), undefined);
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    assert.equal(unknown(token('ES256', CLAIMS, {}, stranger)), undefined);
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
    // Each key serves one algorithm (RFC 8725, 3.1), although the arithmetic would do for two.
    assert.match(why(token('PS256', CLAIMS, { kid: 'RS256' }, pairs.RS256.privateKey)), unfit);
    assert.match(why(token('RS256', CLAIMS, { kid: 'PS256' }, pairs.PS256.privateKey)), unfit);
    assert.match(why(token('ES256', CLAIMS, { alg: 'ES384', kid: 'ES256' })), unfit);
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
      'RS384',
      'PS512',
      'ES512',
      'ES256K',
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
      [{ aud: ['postern', 'other'] }, /for several audiences/],
      [{ aud: ['postern', 'postern'] }, /for several audiences/],
      [{ aud: [] }, /for another audience/],
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
        jwk(curve, 'curve', { alg: 'ES256' }),
        jwk(good, 'not to verify', { key_ops: ['sign'] }),
        jwk(pairs.RS256.publicKey, 'a secret', { alg: 'HS256' }),
        jwk(
          generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey,
          'small exponent',
        ),
        jwk(good, 'encryption', { use: 'enc' }),
        jwk(good, 'another algorithm', { alg: 'ES384' }),
        { kty: 'oct', k: 'AAAA', kid: 'secret' },
        { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'no point' },
        jwk(generateKeyPairSync('x25519').publicKey, 'x25519'),
        ...[null, 7, 'x', [], {}],
        jwk(good, 'good', { use: 'sig', alg: 'ES256', key_ops: ['verify'] }),
      ],
    }).map(({ kid }) => kid);
    assert.deepEqual(kids, ['good']);
    for (const bad of [null, {}, [], { keys: {} }, { keys: null }, 'x']) assert.deepEqual(tokenKeys(bad), []);
  });

  it('that a token cannot tell apart are none', () => {
    const [one, other] = [
      pairs.ES256.publicKey,
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
    ];
    const keys = (...all: object[]) => tokenKeys({ keys: all });
    const text = token('ES256', CLAIMS, { kid: 'same' });
    assert.match(why(text, [rule], keys(jwk(one, 'same'), jwk(other, 'same'))), /not known yet/);
    assert.equal(why(text, [rule], keys(jwk(one, 'same'), jwk(one, 'same'))), 'taken');
    assert.equal(why(text, [rule], keys(jwk(one, 'same'), jwk(pairs.RS256.publicKey, 'same'))), 'taken');
    const unnamed = token('ES256', CLAIMS, { kid: undefined });
    assert.match(why(unnamed, [rule], keys(jwk(one, 'a'), jwk(other, 'b'))), /does not fit a key/);
    assert.match(
      why(unnamed, [rule], keys({ ...jwk(one, ''), kid: undefined }, jwk(other, 'b'))),
      /does not fit/,
    );
    assert.equal(why(unnamed, [rule], keys(jwk(one, 'a'))), 'taken');
  });

  it('are held without what is private, and not without number', () => {
    const [key] = tokenKeys({ keys: [jwk(pairs.ES256.privateKey, 'oops')] });
    assert.equal(key?.key.type, 'public');
    const many = Array.from({ length: 1000 }, () => jwk(pairs.ES256.publicKey, 'same'));
    assert.equal(tokenKeys({ keys: many }).length, 1);
    const ids = Array.from({ length: 1000 }, (_, at) => jwk(pairs.ES256.publicKey, `${at}`));
    assert.equal(tokenKeys({ keys: ids }).length, 32);
  });
});
