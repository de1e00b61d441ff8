import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SMTPServer } from 'smtp-server';
import { type Endpoint, testEndpoint, until } from '../src/notify/endpoint.fixture.ts';
import { signWebhook } from '../src/notify/signatures.ts';
import { startPostern, type TestPostern } from './support/postern.ts';
import { type Finished, run } from './support/processes.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));
const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules: [{ name: asked, what: {}, approve: [{ from: ['role:approver'] }] }]
`;

interface Delivery {
  readonly id: string;
  readonly kind: string;
  readonly status: string;
  readonly attempts: number;
}

let home: string;
let postern: TestPostern;
let mails: { readonly to: string; readonly text: string }[];
let mailServer: SMTPServer;

async function postern_(args: readonly string[], input = '', token = postern.token): Promise<Finished> {
  const env = { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: home, POSTERN_TOKEN: token };
  return run(LAUNCHER, [...args, '--data', postern.dataDir], { env, input });
}

async function ok(args: readonly string[], input = '', token = postern.token): Promise<string> {
  const done = await postern_(args, input, token);
  assert.equal(done.code, 0, done.stderr);
  return done.stdout;
}

const file = (name: string, content: string): string => {
  const path = join(home, name);
  writeFileSync(path, content);
  return path;
};

const ask = async (scope: string): Promise<string> => {
  const args = ['--principal', 'batch', '--resource', 'ledger-db', '--for', '1h', '--scope', scope, '--json'];
  return (JSON.parse(await ok(['request', 'create', ...args])) as { id: string }).id;
};

const deliveries = async (...more: readonly string[]): Promise<readonly Delivery[]> =>
  (JSON.parse(await ok(['channel', 'deliveries', '--json', ...more])) as { items: readonly Delivery[] })
    .items;

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'postern-notify-'));
  mails = [];
  mailServer = new SMTPServer({
    ...{ logger: false, authOptional: true },
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        mails.push({ to: session.envelope.rcptTo[0]?.address ?? '', text: Buffer.concat(parts).toString() });
        done();
      });
    },
  });
  await new Promise<void>((resolve) => void mailServer.listen(0, '127.0.0.1', resolve));
  postern = await startPostern({ args: ['--workers', '1'] });
  for (const [name, email, role] of [
    ['Max', 'max@bank.example', 'approver'],
    ['Olga', 'olga@bank.example', 'owner'],
  ] as const) {
    await ok(['person', 'add', name, '--email', email, '--role', role]);
  }
  await ok([
    ...['principal', 'add', 'batch', '--kind', 'service_account', '--owner', 'olga@bank.example'],
    ...['--backup-owner', 'backup@example.com', '--purpose', 'x', '--environment', 'test'],
  ]);
  await ok([
    ...['resource', 'add', 'ledger-db', '--url', 'postgres://app@127.0.0.1:1/bank', '--tls-mode', 'disable'],
    ...['--environment', 'test', '--classification', 'internal', '--password-file', file('password', 'x')],
  ]);
  await ok(['policy', 'set', file('policy.yaml', POLICY), '--reason', 'begin']);
});
after(async () => {
  await postern.stop();
  await new Promise<void>((resolve) => void mailServer.close(resolve));
  rmSync(home, { recursive: true, force: true });
});

describe('notifications at the command line', () => {
  it('are written to who has to decide, at their own address, with a link and no way to decide by it', async () => {
    const { port } = mailServer.server.address() as { port: number };
    await ok([
      ...['channel', 'add', 'mail', '--kind', 'email', '--host', '127.0.0.1', '--port', String(port)],
      ...['--tls', 'none', '--from', 'postern@bank.example'],
    ]);
    await ok(['channel', 'test', 'mail']);
    assert.equal(mails.shift()?.to, 'admin@example.com');
    const id = await ask('select on a.b');
    const mail = await until(() => mails.find(({ text }) => text.includes('asks for access')));
    assert.equal(mail.to, 'max@bank.example');
    const text = mail.text.replaceAll('=\r\n', '');
    assert.match(text, new RegExp(`https://localhost:\\d+/requests/${id}`));
    await ok(['channel', 'retire', 'mail', '--reason', 'over']);
  });

  it('say what an administrator wrote, and what names no field is refused', async () => {
    const wrong = await postern_([
      ...['channel', 'add', 'words', '--kind', 'webhook', '--url', 'https://hooks.bank.example/x'],
      ...['--text-for', 'request.opened', '--text-file', file('text', '{{password}}')],
    ]);
    assert.match(wrong.stderr, /names a field that there is not: "password"/);
    const secret = await ok([
      ...['channel', 'add', 'words', '--kind', 'webhook', '--url', 'https://hooks.bank.example/x'],
      ...[
        '--event',
        'review.*',
        '--text-for',
        'request.opened',
        '--text-file',
        file('text', 'Please: {{principal}}'),
      ],
    ]);
    assert.match(secret, /^whsec_[A-Za-z0-9+/=]+\n$/);
    assert.match(
      await ok(['channel', 'preview', 'words', '--event', 'request.opened']),
      /Please: nightly-ledger/,
    );
    assert.match(await ok(['channel', 'list']), /words +webhook +https:\/\/hooks\.bank\.example +review\.\*/);
    assert.match(await ok(['channel', 'events']), /request\.opened/);
    const refused = await postern_([
      'channel',
      'add',
      'x9',
      '--kind',
      'webhook',
      '--url',
      'http://169.254.169.254/',
    ]);
    assert.match(refused.stderr, /not an https URL/);
    await ok(['channel', 'retire', 'words', '--reason', 'over']);
  });

  it('survive a kill between the change and the message, and keep their id', async (context) => {
    const endpoint: Endpoint = await testEndpoint(context);
    endpoint.answer = () => undefined;
    await ok(['channel', 'add', 'hook', '--kind', 'webhook', '--url', endpoint.url]);
    await ask('select on c.d');
    await until(() => endpoint.taken.length > 0);
    const { dataDir, token } = postern;
    await postern.running.stop('SIGKILL', 20_000);
    endpoint.answer = (response) => void response.writeHead(204).end();
    postern = await startPostern({ args: ['--workers', '1'], dataDir, token });
    await until(() => endpoint.taken.length > 1);
    const ids = endpoint.taken.map(({ headers }) => headers['webhook-id']);
    assert.equal(new Set(ids).size, 1);
    const sent = await until(async () =>
      (await deliveries('hook')).find(({ status }) => status === 'delivered'),
    );
    assert.equal(sent.id, ids[0]);
    assert.ok(sent.attempts >= 2);
    assert.deepEqual(await deliveries('--dead'), []);
    // A restart tells of nothing twice.
    const opened = (await deliveries('hook')).filter(({ kind }) => kind === 'request.opened');
    assert.equal(opened.length, 1);
  });

  it('are answered by a hook of whom the policy asks', async () => {
    const { token } = await postern.call<{ token: string }>(
      'POST',
      '/v1/persons/max@bank.example/tokens',
      {},
    );
    const plain = await postern_(['link', 'hook', 'desk'], '', token);
    assert.match(plain.stderr, /an API token alone does not do/);
    const made = JSON.parse(await ok(['link', 'hook', 'desk', '--json'])) as {
      signingSecret: string;
      link: { id: string };
    };
    const request = await ask('select on e.f');
    const body = { request, decision: 'deny', comment: 'no window' };
    const head = signWebhook([made.signingSecret], 'm1', Math.floor(Date.now() / 1000), JSON.stringify(body));
    const answer = await fetchWith(made.link.id, head, JSON.stringify(body));
    assert.equal(answer, 200);
    assert.match(await ok(['request', 'list', '--status', 'denied']), /denied/);
    assert.match(await ok(['link', 'list']), /hook desk/);
  });

  it('are in the evidence: where they went, and by what people decided from elsewhere', async () => {
    const out = join(home, 'package');
    await ok(['evidence', 'export', '--out', out]);
    const { readFileSync } = await import('node:fs');
    assert.match(readFileSync(join(out, 'populations', 'channels.csv'), 'utf8'), /webhook/);
    assert.match(readFileSync(join(out, 'populations', 'links.csv'), 'utf8'), /desk/);
    const verified = await run(LAUNCHER, ['verify', out]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
});

async function fetchWith(
  link: string,
  head: { readonly id: string; readonly timestamp: string; readonly signature: string },
  body: string,
): Promise<number> {
  const { request } = await import('node:https');
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...{ host: postern.api.host, port: postern.api.port, ca: postern.caPem, agent: false },
        ...{ method: 'POST', path: `/v1/hooks/${link}` },
        headers: {
          'content-type': 'application/json',
          'webhook-id': head.id,
          'webhook-timestamp': head.timestamp,
          'webhook-signature': head.signature,
        },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}
