import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { makeAuthority, makeCertificate } from '../core/certificates.fixture.ts';
import type { ChannelOf, EmailSettings } from '../store/notify-entities.ts';
import { ensureTls } from '../vault/ca.ts';
import { sendEmail } from './email.ts';
import type { Message } from './message.ts';

interface Mail {
  readonly to: readonly string[];
  readonly text: string;
  readonly user: string | undefined;
  readonly secure: boolean;
}

interface Mailbox {
  readonly port: number;
  readonly caPem: string;
  readonly mails: Mail[];
}

/** The server of the makers of nodemailer, with a certificate of an authority of its own. */
async function mailbox(context: TestContext, options: SMTPServerOptions = {}): Promise<Mailbox> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-mail-'));
  const { keyPem, certPem, caPem } = await ensureTls(dir);
  const mails: Mail[] = [];
  const server = new SMTPServer({
    ...{ key: keyPem, cert: certPem, logger: false },
    onAuth: ({ username, password }, _session, done) => {
      if (username === 'postern' && password === 'pässword') return done(null, { user: username });
      return done(new Error('hunter2 is wrong'));
    },
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        mails.push({
          to: session.envelope.rcptTo.map(({ address }) => address),
          text: Buffer.concat(parts).toString(),
          user: session.user,
          secure: session.secure,
        });
        done();
      });
    },
    ...options,
  });
  // A client that does not trust it breaks off.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  context.after(async () => {
    await new Promise<void>((resolve) => void server.close(resolve));
    rmSync(dir, { recursive: true, force: true });
  });
  const { port } = server.server.address() as AddressInfo;
  return { port, caPem, mails };
}

function channelTo(
  box: Mailbox,
  settings: Partial<EmailSettings> = {},
  more: object = {},
): ChannelOf<'email'> {
  return {
    ...{ id: 'c', name: 'mail', kind: 'email', ca: box.caPem, events: ['*'], texts: {}, secrets: {} },
    ...{ signingBy: null, formerUntil: null, status: 'active', statusReason: null, createdAt: '' },
    settings: {
      ...{ host: 'localhost', port: box.port, tls: 'starttls', user: 'postern', to: [], direct: true },
      ...{ from: 'postern@bank.example' },
      ...settings,
    },
    ...more,
  };
}

const FIELDS = {
  ...{ principal: 'batch', resource: 'ledger-db', scope: 'select on a.b', duration: '1h', requester: 'Olga' },
  ...{ ticket: '', justification: 'why', needs: '1 of role:approver', expires: 'soon' },
  link: 'https://postern.bank.example/requests/1',
};

const message = (fields: Readonly<Record<string, string>> = {}): Message => ({
  ...{ id: '01928f3e-7c1a-7b2e-9d55-0f6a4c1e2b33', kind: 'request.opened', at: '2026-11-22T05:00:00.000Z' },
  ...{ recipient: 'max@bank.example', fields: { ...FIELDS, ...fields } },
});

const send = (channel: ChannelOf<'email'>, what = message(), password = 'pässword') =>
  sendEmail(channel, { password }, what, new AbortController().signal);

/** Headers, unfolded. */
const headersOf = (mail: string): string[] =>
  (mail.split('\r\n\r\n')[0] ?? '').replaceAll(/\r\n[ \t]/g, ' ').split('\r\n');

test('a message is handed over by STARTTLS and by TLS from the start, as its user', async (context) => {
  for (const tls of ['starttls', 'implicit'] as const) {
    const box = await mailbox(context, { secure: tls === 'implicit' });
    assert.deepEqual(await send(channelTo(box, { tls })), { done: true });
    const [mail] = box.mails;
    assert.deepEqual(mail?.to, ['max@bank.example']);
    assert.equal(mail?.user, 'postern');
    assert.equal(mail?.secure, true);
    assert.match(mail?.text ?? '', /Subject: batch asks for access to ledger-db/);
    assert.match(mail?.text ?? '', /Message-ID: <01928f3e-7c1a-7b2e-9d55-0f6a4c1e2b33@bank.example>/i);
    assert.match(mail?.text ?? '', /Auto-Submitted: auto-generated/);
    // The line of the ticket, which there is none, is left out.
    assert.doesNotMatch(mail?.text ?? '', /Ticket/);
  }
});

test('no password and no message goes to a server whose certificate nobody trusted vouches for', async (context) => {
  const { caPem } = await mailbox(context);
  for (const tls of ['starttls', 'implicit'] as const) {
    const box = await mailbox(context, { secure: tls === 'implicit' });
    const untrusted = await send(channelTo(box, { tls }, { ca: null }));
    const other = await send(channelTo(box, { tls }, { ca: caPem }));
    for (const tried of [untrusted, other]) assert.ok(!tried.done && tried.again);
    assert.deepEqual(box.mails, []);
  }
});

test('no password and no message goes to a server with a good certificate of another name', async (context) => {
  const authority = await makeAuthority();
  const names = [{ type: 'dns', value: 'mail.evil.example' }] as const;
  const { pem, keyPem } = await makeCertificate({ by: authority, clientAuth: false, names });
  for (const tls of ['starttls', 'implicit'] as const) {
    const box = await mailbox(context, { secure: tls === 'implicit', key: keyPem, cert: pem });
    const channel = channelTo(box, { tls }, { ca: authority.pem });
    const tried = await send(channel);
    assert.ok(!tried.done);
    assert.deepEqual(box.mails, []);
  }
});

test('where the server takes no STARTTLS, nothing is sent in the clear', async (context) => {
  let auths = 0;
  const box = await mailbox(context, {
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: (_auth, _session, done) => {
      auths += 1;
      done(null, { user: 'x' });
    },
  });
  const tried = await send(channelTo(box));
  assert.ok(!tried.done);
  assert.equal(auths + box.mails.length, 0);
});

test('what the server refuses for good is given up, the rest is tried again, and nothing that it says is told', async (context) => {
  const refusing = (code: number): SMTPServerOptions => ({
    onRcptTo: (_address, _session, done) => done(Object.assign(new Error('hunter2'), { responseCode: code })),
  });
  for (const [code, again] of [
    [550, false],
    [451, true],
  ] as const) {
    const tried = await send(channelTo(await mailbox(context, refusing(code))));
    assert.deepEqual(tried, { done: false, again, error: `the mail server says ${code}`, askedMs: null });
  }
  const tried = await send(channelTo(await mailbox(context)), message(), 'wrong');
  assert.ok(!tried.done && tried.again);
  assert.doesNotMatch(tried.error, /hunter2|wrong/);
});

test('a value puts no header, no recipient and no tag into a message', async (context) => {
  const box = await mailbox(context);
  const evil = 'x\r\nBcc: thief@evil.example\r\n\r\n<img src=https://evil.example>\u2028';
  const own = {
    'request.opened': { subject: 'About {{principal}}', text: '{{justification}} {{principal}}' },
  };
  const tried = await send(
    channelTo(box, {}, { texts: own }),
    message({ principal: evil, justification: evil, link: 'https://a.example/"><b>' }),
  );
  assert.deepEqual(tried, { done: true });
  const [mail] = box.mails;
  assert.deepEqual(mail?.to, ['max@bank.example']);
  const names = headersOf(mail?.text ?? '').map((line) => line.split(':')[0]?.toLowerCase());
  assert.ok(!names.includes('bcc'));
  assert.equal(names.filter((name) => name === 'subject').length, 1);
  const html = (mail?.text ?? '').replaceAll('=\r\n', '').split('text/html')[1] ?? '';
  assert.match(html, /&#60;img/);
  assert.doesNotMatch(html, /<img|"><b>/);
});

test('a server that says nothing holds nobody for ever', async (context) => {
  const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  context.after(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const abort = new AbortController();
  const box = { port, caPem: '', mails: [] };
  const tried = sendEmail(
    channelTo(box, { tls: 'none', user: null }, { ca: null }),
    {},
    message(),
    abort.signal,
  );
  setTimeout(() => abort.abort(), 50);
  assert.deepEqual(await tried, { done: false, again: true, error: 'it took too long', askedMs: null });
});
