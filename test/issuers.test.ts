/** The keys of issuers, from a real server over https that rotates, falls silent, lies and dawdles. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type IssuerStatus, Issuers } from '../src/access/issuers.ts';
import type { IssuerView } from '../src/core/views.ts';
import { fetchIssuerKeys } from '../src/identity/issuers.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { Issuer } from './support/issuer.ts';

const MINUTE = 60_000;

describe('the keys of an issuer', () => {
  let tls: Awaited<ReturnType<typeof makeServerCertificate>>;
  let issuer: Issuer;
  let clock: number;
  let published: IssuerView[];
  let faults: unknown[];
  let issuers: Issuers;
  const bound = new Map<string, { ca: string }>();
  before(async () => {
    tls = await makeServerCertificate();
  });
  beforeEach(async (context) => {
    issuer = await new Issuer(tls).listen();
    clock = 1_800_000_000_000;
    published = [];
    faults = [];
    bound.clear();
    bound.set(issuer.url, { ca: tls.caPem });
    issuers = new Issuers({
      wanted: async () => bound,
      publish: async (views) => {
        published.push(...views);
      },
      onFault: (error) => faults.push(error),
      fetch: fetchIssuerKeys,
      now: () => clock,
    });
    if ('after' in context) context.after(() => issuer.close());
  });
  after(() => issuers.close());

  const kids = (): (string | null)[] => issuers.keysOf(issuer.url).map(({ kid }) => kid);
  const status = (): IssuerStatus => {
    const [one, ...more] = issuers.status();
    assert.ok(one !== undefined && more.length === 0);
    return one;
  };

  it('are known after a rotation as soon as a token needs them, and the issuer is not asked again at once', async () => {
    await issuers.refresh();
    assert.deepEqual(kids(), ['first']);
    issuer.rotate('second');
    clock += MINUTE;
    await Promise.all(Array.from({ length: 50 }, () => issuers.ask(issuer.url)));
    assert.deepEqual(kids(), ['second']);
    assert.equal(issuer.asked, 2, 'fifty at once are one question');
    for (let i = 0; i < 50; i++) await issuers.ask(issuer.url);
    assert.equal(issuer.asked, 2, 'whoever invents key ids cannot have it asked more often');
    clock += 10_000;
    await issuers.ask(issuer.url);
    assert.equal(issuer.asked, 3);
    assert.equal(published.length, 2, 'workers are told of what is new alone');
    await issuers.ask('https://other.example');
    assert.equal(issuers.status().length, 1, 'nobody is asked who is not bound');
  });

  it('are those of the place that was asked for last, although another one is slow to answer', async (context) => {
    const elsewhere = await new Issuer(tls).listen();
    context.after(() => elsewhere.close());
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    elsewhere.says = { issuer: issuer.url, jwks_uri: `${elsewhere.url}/keys` };
    elsewhere.rotate('elsewhere');
    issuer.misbehave = (request, response) => {
      issuer.misbehave = null;
      reach();
      setTimeout(() => issuer.server.emit('request', request, response), 100);
      return true;
    };
    const slow = issuers.refresh();
    await reached;
    await issuers.prepare(issuer.url, { ca: tls.caPem, server: elsewhere.url });
    await slow;
    assert.deepEqual(kids(), ['elsewhere']);
  });

  it('are forgotten when the issuer publishes them no longer, and when it is bound no longer', async () => {
    await issuers.refresh();
    issuer.published = [issuer.rotate('second'), issuer.current];
    await issuers.refresh();
    assert.deepEqual(kids(), ['first', 'second']);
    issuer.published = null;
    await issuers.refresh();
    assert.deepEqual(kids(), ['second']);
    bound.clear();
    await issuers.refresh();
    assert.deepEqual(issuers.status(), []);
    assert.deepEqual(published.at(-1), { issuer: issuer.url, jwks: {} });
  });

  it('are used for six hours while the issuer is silent, which is seen, and not after that', async () => {
    await issuers.refresh();
    assert.equal(status().state, 'current');
    issuer.misbehave = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    clock += 6 * 60 * MINUTE;
    await issuers.refresh();
    assert.deepEqual(kids(), ['first']);
    assert.equal(status().state, 'late');
    assert.match(status().error ?? '', /answers 503/);
    assert.equal(status().trustedUntil, clock);
    clock += 1;
    await issuers.refresh();
    assert.deepEqual(kids(), []);
    assert.equal(status().state, 'unknown');
    assert.deepEqual(published.at(-1), { issuer: issuer.url, jwks: {} });
    assert.equal(faults.length, 2);
    issuer.misbehave = null;
    await issuers.refresh();
    assert.equal(status().state, 'current');
    assert.deepEqual(kids(), ['first']);
  });

  it('stay as they were when the issuer lies', async () => {
    await issuers.refresh();
    const good = JSON.stringify(issuer.jwks);
    const lies: readonly string[] = [
      '{"keys":[]}',
      '{}',
      '[]',
      'null',
      '',
      '<html></html>',
      good.replace('{"keys":', '{"keys":[],"keys":'),
      `{"keys":${'['.repeat(100)}${']'.repeat(100)}}`,
      JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'first', alg: 'HS256' }] }),
      `${good}${' '.repeat(300_000)}`,
    ];
    for (const lie of lies) {
      issuer.misbehave = (request, response) => {
        if (request.url !== '/keys') return false;
        response.end(lie);
        return true;
      };
      await issuers.refresh();
      assert.deepEqual(kids(), ['first'], lie.slice(0, 60));
      assert.equal(status().state, 'late', lie.slice(0, 60));
    }
    issuer.misbehave = null;
    issuer.says = { issuer: 'https://another.example' };
    await issuers.refresh();
    assert.match(status().error ?? '', /its discovery document is of the issuer "https:\/\/another.example"/);
    issuer.says = { jwks_uri: `${issuer.url}/moved` };
    await issuers.refresh();
    assert.match(status().error ?? '', /answers 302/);
  });

  it('are not waited for without end: silence and single bytes are broken off after ten seconds', async () => {
    await issuers.refresh();
    const drip = new Issuer(tls);
    await drip.listen();
    const timers: NodeJS.Timeout[] = [];
    issuer.misbehave = () => true;
    drip.misbehave = (_request, response) => {
      timers.push(setInterval(() => response.write(' '), 100));
      return true;
    };
    const began = Date.now();
    const answers = await Promise.allSettled(
      [issuer, drip].map(({ url }) => fetchIssuerKeys(url, { ca: tls.caPem })),
    );
    for (const timer of timers) clearInterval(timer);
    drip.close();
    assert.ok(answers.every(({ status: how }) => how === 'rejected'));
    assert.ok(Date.now() - began < 30_000);
  });

  it('come from where a binding says: another server under its authority, or the binding itself', async () => {
    await assert.rejects(fetchIssuerKeys(issuer.url), /certificate/);
    // What a cluster calls itself need not be reachable, nor need the address that it gives for its keys.
    const name = 'https://kubernetes.default.svc.cluster.local';
    issuer.says = { issuer: name, jwks_uri: 'https://10.0.0.1:6443/keys' };
    const { jwks } = await fetchIssuerKeys(name, { ca: tls.caPem, server: issuer.url });
    assert.deepEqual(jwks, issuer.jwks);
    issuer.says = { jwks_uri: '//evil' };
    await assert.rejects(fetchIssuerKeys(issuer.url, { ca: tls.caPem }), /https URL/);
    const asked = issuer.asked;
    const given = await fetchIssuerKeys(name, { jwks: issuer.jwks });
    assert.deepEqual(given.jwks, issuer.jwks);
    assert.equal(issuer.asked, asked);
    await assert.rejects(fetchIssuerKeys(name, { jwks: { keys: [] } }), /has no key/);
  });
});
