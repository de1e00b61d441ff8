import assert from 'node:assert/strict';
import { test } from 'node:test';
import { itemsOf, testApi } from './api.fixture.ts';

const HTTPS = { kind: 'https', url: 'https://siem.example/in' };
const KAFKA = { kind: 'kafka', brokers: ['k1.example:9093', 'k2.example:9093'], topic: 'postern' };
const SASL = { mechanism: 'scram-sha-512', user: 'postern' };
const SECRET = 'Bearer very-s3cret-value';

test('an administrator adds, changes, pauses and retires a sink; every step is in the log, the secret is nowhere', async (context) => {
  const api = await testApi(context);
  let told = 0;
  api.control.sinks.onChange(async () => {
    told += 1;
  });
  const made = await api.call('POST', '/v1/sinks', { name: 'siem', target: HTTPS, secret: SECRET });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual([made.body.secret, made.body.from, made.body.delivery], [true, 7, null]);
  assert.deepEqual(made.body.target, { ...HTTPS, header: 'authorization', ca: null });
  const all = await api.call('POST', '/v1/sinks', {
    name: 'archive',
    target: { kind: 'file' },
    fromBeginning: true,
  });
  assert.equal(all.body.from, 0, all.text);
  assert.equal((await api.call('POST', '/v1/sinks', { name: 'siem', target: HTTPS })).status, 409);
  const end = { reason: 'maintenance' };
  for (const act of ['pause', 'resume', 'pause', 'retire']) {
    assert.equal((await api.call('POST', `/v1/sinks/siem/${act}`, end)).status, 200, act);
  }
  assert.equal((await api.call('POST', '/v1/sinks/siem/resume', end)).status, 409);
  assert.deepEqual(
    itemsOf(await api.call('GET', '/v1/sinks')).map(({ name, status, secret }) => [name, status, secret]),
    [
      ['siem', 'retired', false],
      ['archive', 'active', false],
    ],
  );
  const types = api.sink.changes().flatMap(({ type }) => (type.startsWith('sink.') ? [type] : []));
  assert.deepEqual(types, [
    'sink.created',
    'sink.created',
    'sink.paused',
    'sink.resumed',
    'sink.paused',
    'sink.retired',
  ]);
  assert.equal(told, types.length);
  const everything = [...api.answers, ...api.sink.written, ...api.logged].join('\n');
  assert.equal(everything.includes('s3cret'), false);
});

test('a sink cannot be turned to another address with the secret of the one before, nor into another kind', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/sinks', { name: 'siem', target: HTTPS, secret: SECRET });
  const change = (body: object) => api.call('POST', '/v1/sinks/siem/update', { ...body, reason: 'why' });
  const elsewhere = { kind: 'https', url: 'https://attacker.example/in' };
  assert.equal((await change({ target: elsewhere })).status, 400);
  assert.equal((await change({ target: { ...HTTPS, header: 'x-key' } })).status, 400);
  assert.equal((await change({ target: { ...HTTPS, url: 'https://siem.example/other' } })).status, 200);
  assert.equal((await change({ target: elsewhere, secret: 'Bearer other' })).status, 200);
  assert.equal((await api.control.sinks.open('siem')).secret, 'Bearer other');
  assert.equal((await change({ target: { kind: 'file' } })).status, 409);
  assert.equal((await change({ secret: null })).status, 200);
  assert.equal((await api.control.sinks.open('siem')).secret, null);
});

test('the password of a user of Kafka goes to no other broker and by no weaker way, and both go together', async (context) => {
  const api = await testApi(context);
  const target = { ...KAFKA, sasl: SASL };
  const made = await api.call('POST', '/v1/sinks', { name: 'stream', target, secret: SECRET });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual(made.body.target, { ...target, tls: true, ca: null });
  const change = async (body: object): Promise<number> =>
    (await api.call('POST', '/v1/sinks/stream/update', { ...body, reason: 'why' })).status;
  assert.equal(await change({ target: { ...target, brokers: ['k3.example:9093'] } }), 400);
  assert.equal(await change({ target: { ...target, sasl: { ...SASL, mechanism: 'plain' } } }), 400);
  assert.equal(await change({ target: { ...target, brokers: ['127.0.0.1:9092'], tls: false } }), 400);
  assert.equal(await change({ target: KAFKA }), 400);
  assert.equal(await change({ secret: null }), 400);
  assert.equal(await change({ target: { ...target, topic: 'other' } }), 200);
  assert.equal((await api.control.sinks.open('stream')).secret, SECRET);
  assert.equal(await change({ target: KAFKA, secret: null }), 200);
  assert.equal(await change({ target }), 400);
  const everything = [...api.answers, ...api.sink.written, ...api.logged].join('\n');
  assert.equal(everything.includes('s3cret'), false);
});

test('what is no place for events is refused', async (context) => {
  const api = await testApi(context);
  const bad: readonly (readonly [object, string?])[] = [
    [{ kind: 'https', url: 'http://siem.example/' }],
    [{ kind: 'https', url: 'https://user:password@siem.example/' }],
    [{ kind: 'https', url: 'file:///etc/passwd' }],
    [{ kind: 'https', url: 'https://siem.example/', header: 'host' }],
    [{ kind: 'https', url: 'https://siem.example/', header: 'x\r\ny' }],
    [{ kind: 'https', url: 'https://siem.example/' }, 'a\r\nx: y'],
    [{ kind: 'https', url: 'https://siem.example/', ca: 'x' }],
    [{ kind: 'syslog', host: 'a b' }],
    [{ kind: 'syslog', host: 'soc.example', port: 70_000 }],
    [{ kind: 'syslog', host: 'soc.example', facility: 24 }],
    [{ kind: 'file', path: '/etc/cron.d/x' }],
    [{ kind: 'file' }, 'secret'],
    [{ kind: 'file', maxBytes: 1 }],
    [{ kind: 'smtp' }],
    [{ ...KAFKA, brokers: [] }],
    [{ ...KAFKA, brokers: ['k1.example'] }],
    [{ ...KAFKA, brokers: ['k1.example:0'] }],
    [{ ...KAFKA, brokers: ['[::1]:9092'] }],
    [{ ...KAFKA, brokers: Array.from({ length: 17 }, (_, i) => `k${i}.example:9093`) }],
    [{ ...KAFKA, topic: '..' }],
    [{ ...KAFKA, topic: 'a/b' }],
    [{ ...KAFKA, topic: 'x'.repeat(250) }],
    [{ ...KAFKA, ca: 'x' }],
    // What is not on this machine takes TLS, and a password takes it always.
    [{ ...KAFKA, tls: false }],
    [{ ...KAFKA, brokers: ['127.0.0.1:9092', 'k1.example:9092'], tls: false }],
    [{ ...KAFKA, brokers: ['127.0.0.1.example:9092'], tls: false }],
    [{ ...KAFKA, brokers: ['127.0.0.1:9092'], tls: false, sasl: SASL }, 'password'],
    [{ ...KAFKA, sasl: SASL }],
    [{ ...KAFKA, sasl: SASL }, 'pass\nword'],
    [{ ...KAFKA, sasl: { ...SASL, user: 'a\u0000b' } }, 'password'],
    [{ ...KAFKA, sasl: { ...SASL, mechanism: 'gssapi' } }, 'password'],
    [KAFKA, 'password'],
  ];
  for (const [target, secret] of bad) {
    const answer = await api.call('POST', '/v1/sinks', { name: 'x', target, ...(secret && { secret }) });
    assert.equal(answer.status, 400, JSON.stringify(target));
  }
  for (const name of ['../x', 'A', '']) {
    assert.equal((await api.call('POST', '/v1/sinks', { name, target: { kind: 'file' } })).status, 400, name);
  }
});
