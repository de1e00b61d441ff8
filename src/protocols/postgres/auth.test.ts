import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientProof, newPassword, scramKeys, scramSalt } from '../../core/scram.ts';
import { TrustStore } from '../../core/trust.ts';
import { type PasswordCredentialView, type PrincipalView, SCRAM_ITERATIONS } from '../../core/views.ts';
import type { Directory } from '../contract.ts';
import { ScramServer } from './auth.ts';
import { cstring, Front, int32, message, WireError } from './wire.ts';

const SECRET = Buffer.alloc(32, 7);
const NOW = 1_800_000_000_000;

const principal = (name: string, over: Partial<PrincipalView> = {}): PrincipalView => ({
  id: `id-${name}`,
  name,
  ownerId: 'o',
  status: 'active',
  expiresAt: null,
  ...over,
});

async function credential(
  of: string,
  password: string,
  over: Partial<PasswordCredentialView> = {},
): Promise<PasswordCredentialView> {
  const keys = await scramKeys(password, scramSalt(SECRET, of), SCRAM_ITERATIONS);
  return {
    id: `c-${password.slice(-6)}`,
    principalId: `id-${of}`,
    grantId: null,
    kind: 'password',
    expiresAt: NOW + 1000,
    status: 'active',
    storedKey: keys.storedKey.toString('base64'),
    serverKey: keys.serverKey.toString('base64'),
    ...over,
  };
}

function directory(
  principals: readonly PrincipalView[],
  credentials: readonly PasswordCredentialView[],
): Directory {
  return {
    principalByName: (name) => principals.find((each) => each.name === name),
    principal: (id) => principals.find((each) => each.id === id),
    resourceByName: () => undefined,
    resource: () => undefined,
    resources: () => [],
    credential: (id) => credentials.find((each) => each.id === id),
    credentialsOf: (id) => credentials.filter((each) => each.principalId === id),
    grantsOf: () => [],
    tokenKeys: () => [],
    trust: new TrustStore(),
    masksOf: () => [],
    endedAt: () => undefined,
  };
}

function initial(text: string, mechanism = 'SCRAM-SHA-256'): Buffer {
  return message(Front.password, cstring(mechanism), int32(Buffer.byteLength(text)), Buffer.from(text));
}

/** A client that knows `password` logs in as `name`. `tamper` may change its final message. */
async function login(
  server: Directory,
  name: string,
  password: string,
  tamper = (text: string): string => text,
) {
  const scram = new ScramServer(server, SECRET, name, null);
  const first = initial('n,,n=,r=clientnonce');
  const challenge = scram.first(first, 0, first.length).toString('utf8', 9);
  const [, nonce, salt, count] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(challenge) ?? [];
  const keys = await scramKeys(password, Buffer.from(salt ?? '', 'base64'), Number(count));
  const bare = `c=biws,r=${nonce}`;
  const proof = clientProof(keys, `n=,r=clientnonce,${challenge},${bare}`).toString('base64');
  const last = message(Front.password, Buffer.from(tamper(`${bare},p=${proof}`)));
  return scram.last(last, 0, last.length, NOW);
}

describe('ScramServer', () => {
  it('takes any of several credentials of a principal and says which one it was', async () => {
    const [a, b] = [newPassword(), newPassword()];
    const held = [await credential('batch', a), await credential('batch', b)];
    const server = directory([principal('batch')], held);
    for (const [i, password] of [a, b].entries()) {
      const result = await login(server, 'batch', password);
      assert.ok(result.ok);
      assert.equal(result.credential.id, held[i]?.id);
    }
  });

  it('refuses a wrong password, another principal’s credential and an unknown name in the same words', async () => {
    const mine = newPassword();
    const theirs = newPassword();
    const server = directory(
      [principal('batch'), principal('other')],
      [await credential('batch', mine), await credential('other', theirs)],
    );
    for (const [name, password] of [
      ['batch', newPassword()],
      ['batch', theirs],
      ['nobody', mine],
    ] as const) {
      const result = await login(server, name, password);
      assert.ok(!result.ok);
      assert.equal(result.code, 'POSTERN_AUTH_FAILED');
      assert.equal(result.message, `authentication failed for "${name}"`);
    }
  });

  it('gives an unknown name a salt that lasts, as a known one has', () => {
    const salts = [0, 1].map(() => {
      const first = initial('n,,n=,r=clientnonce');
      return /s=([^,]+)/.exec(
        new ScramServer(directory([], []), SECRET, 'ghost', null).first(first, 0, first.length).toString(),
      )?.[1];
    });
    assert.equal(salts[0], salts[1]);
  });

  it('refuses expired and revoked credentials and inactive principals, and tells only who proved to hold one', async () => {
    const password = newPassword();
    const cases: [PrincipalView, Partial<PasswordCredentialView>, string][] = [
      [principal('batch'), { expiresAt: NOW }, 'POSTERN_CREDENTIAL_EXPIRED'],
      [principal('batch'), { status: 'revoked' }, 'POSTERN_CREDENTIAL_EXPIRED'],
      [principal('batch', { status: 'disabled' }), {}, 'POSTERN_PRINCIPAL_INACTIVE'],
      [principal('batch', { status: 'suspended' }), {}, 'POSTERN_PRINCIPAL_INACTIVE'],
      [principal('batch', { expiresAt: NOW }), {}, 'POSTERN_PRINCIPAL_INACTIVE'],
    ];
    for (const [who, over, code] of cases) {
      const server = directory([who], [await credential('batch', password, over)]);
      const right = await login(server, 'batch', password);
      assert.ok(!right.ok);
      assert.equal(right.code, code);
      const wrong = await login(server, 'batch', newPassword());
      assert.ok(!wrong.ok);
      assert.equal(wrong.code, 'POSTERN_AUTH_FAILED');
    }
  });

  it('refuses a final message of another exchange, a changed binding and malformed messages', async () => {
    const password = newPassword();
    const server = directory([principal('batch')], [await credential('batch', password)]);
    await assert.rejects(
      login(server, 'batch', password, (text) => text.replace('r=client', 'r=cliemt')),
      WireError,
    );
    await assert.rejects(
      login(server, 'batch', password, (text) => text.replace('c=biws', 'c=eSws')),
      WireError,
    );
    await assert.rejects(
      login(server, 'batch', password, (text) => text.slice(0, -3)),
      WireError,
    );
    for (const bad of [
      'p=tls-unique,,n=,r=clientnonce',
      'n,a=admin,n=,r=clientnonce',
      'n,,n=,r=short',
      'n,,m=x,n=,r=clientnonce',
      '',
    ]) {
      const first = initial(bad);
      assert.throws(
        () => new ScramServer(server, SECRET, 'batch', null).first(first, 0, first.length),
        WireError,
        bad,
      );
    }
    const plus = initial('n,,n=,r=clientnonce', 'SCRAM-SHA-256-PLUS');
    assert.throws(
      () => new ScramServer(server, SECRET, 'batch', null).first(plus, 0, plus.length),
      WireError,
    );
  });
});

describe('ScramServer within TLS', () => {
  const END_POINT = Buffer.alloc(32, 0xe5);
  const OTHER = Buffer.alloc(32, 0x66);

  /** What a client does that believes to be on the channel `sees`. */
  async function bind(server: Directory, password: string, sees: Buffer, gs2 = 'p=tls-server-end-point,,') {
    const scram = new ScramServer(server, SECRET, 'batch', END_POINT);
    const first = initial(`${gs2}n=,r=clientnonce`, 'SCRAM-SHA-256-PLUS');
    const challenge = scram.first(first, 0, first.length).toString('utf8', 9);
    const [, nonce, salt, count] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(challenge) ?? [];
    const keys = await scramKeys(password, Buffer.from(salt ?? '', 'base64'), Number(count));
    const bare = `c=${Buffer.concat([Buffer.from(gs2), sees]).toString('base64')},r=${nonce}`;
    const proof = clientProof(keys, `n=,r=clientnonce,${challenge},${bare}`).toString('base64');
    const last = message(Front.password, Buffer.from(`${bare},p=${proof}`));
    return scram.last(last, 0, last.length, NOW);
  }

  it('offers channel binding first, and without TLS not at all', () => {
    const offered = (endPoint: Buffer | null): string[] =>
      new ScramServer(directory([], []), SECRET, 'batch', endPoint).offer().toString('latin1', 9).split('\0');
    assert.deepEqual(offered(END_POINT), ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', '', '']);
    assert.deepEqual(offered(null), ['SCRAM-SHA-256', '', '']);
  });

  it('takes a client that sees the certificate of this gateway, and none that sees another', async () => {
    const password = newPassword();
    const server = directory([principal('batch')], [await credential('batch', password)]);
    assert.ok((await bind(server, password, END_POINT)).ok);
    for (const sees of [OTHER, Buffer.alloc(0), END_POINT.subarray(1)]) {
      await assert.rejects(bind(server, password, sees), {
        name: 'PosternError',
        code: 'POSTERN_AUTH_FAILED',
        message: /the channel binding does not fit this connection/,
      });
    }
  });

  it('refuses a client from which the offer of channel binding was kept, and takes one that has none', async () => {
    const scram = (): ScramServer => new ScramServer(directory([], []), SECRET, 'batch', END_POINT);
    const stripped = initial('y,,n=,r=clientnonce');
    assert.throws(() => scram().first(stripped, 0, stripped.length), {
      code: 'POSTERN_AUTH_FAILED',
      message: /channel binding was offered and did not reach the client/,
    });
    const without = initial('n,,n=,r=clientnonce');
    assert.match(scram().first(without, 0, without.length).toString('utf8', 9), /^r=clientnonce/);
    const inTheClear = new ScramServer(directory([], []), SECRET, 'batch', null);
    assert.match(inTheClear.first(stripped, 0, stripped.length).toString('utf8', 9), /^r=clientnonce/);
  });

  it('refuses a header that does not belong to its mechanism, and other kinds of binding', () => {
    for (const [text, mechanism] of [
      ['p=tls-server-end-point,,n=,r=clientnonce', 'SCRAM-SHA-256'],
      ['n,,n=,r=clientnonce', 'SCRAM-SHA-256-PLUS'],
      ['y,,n=,r=clientnonce', 'SCRAM-SHA-256-PLUS'],
      ['p=tls-unique,,n=,r=clientnonce', 'SCRAM-SHA-256-PLUS'],
      ['p=tls-exporter,,n=,r=clientnonce', 'SCRAM-SHA-256-PLUS'],
      ['p=tls-server-end-point,a=admin,n=,r=clientnonce', 'SCRAM-SHA-256-PLUS'],
    ] as const) {
      const first = initial(text, mechanism);
      const scram = new ScramServer(directory([], []), SECRET, 'batch', END_POINT);
      assert.throws(() => scram.first(first, 0, first.length), WireError, text);
    }
  });

  it('refuses the messages of an exchange that was overheard', async () => {
    const password = newPassword();
    const server = directory([principal('batch')], [await credential('batch', password)]);
    const exchange = (): ScramServer => new ScramServer(server, SECRET, 'batch', END_POINT);
    const first = initial('n,,n=,r=clientnonce');
    const overheard = exchange();
    const challenge = overheard.first(first, 0, first.length).toString('utf8', 9);
    const [, nonce, salt] = /^r=([^,]+),s=([^,]+)/.exec(challenge) ?? [];
    const keys = await scramKeys(password, Buffer.from(salt ?? '', 'base64'), SCRAM_ITERATIONS);
    const proof = clientProof(keys, `n=,r=clientnonce,${challenge},c=biws,r=${nonce}`).toString('base64');
    const last = message(Front.password, Buffer.from(`c=biws,r=${nonce},p=${proof}`));
    assert.ok(overheard.last(last, 0, last.length, NOW).ok);
    const replayed = exchange();
    replayed.first(first, 0, first.length);
    assert.throws(() => replayed.last(last, 0, last.length, NOW), WireError);
    assert.throws(() => exchange().last(last, 0, last.length, NOW), WireError, 'without a first message');
  });
});
