/** The page that a notification leads to, in a real browser: it shows a request to who is signed in, and decides with them alone. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { CHROMIUM, ensureDebianPackages, findCommand } from '../scripts/need.ts';
import { RESOURCE } from '../src/access/control.fixture.ts';
import { type TestApi, testApi } from '../src/api/api.fixture.ts';
import { SESSION_COOKIE } from '../src/api/cookies.ts';
import { ensureTls, type TlsMaterial } from '../src/vault/ca.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec: { rules: [{ name: asked, what: {}, approve: [{ from: ['role:approver'] }] }] }
`;
const folder = mkdtempSync(join(tmpdir(), 'postern-request-page-'));
let tls: TlsMaterial;
let browser: Browser;
before(async () => {
  ensureDebianPackages([CHROMIUM]);
  tls = await ensureTls(folder);
  const spki = new X509Certificate(tls.certPem).publicKey.export({ type: 'spki', format: 'der' });
  const trusted = createHash('sha256').update(spki).digest('base64');
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  browser = await chromium.launch({
    executablePath: findCommand(CHROMIUM.command) as string,
    args: [...args, `--ignore-certificate-errors-spki-list=${trusted}`],
  });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface World {
  readonly api: TestApi;
  readonly at: string;
  readonly page: Page;
  readonly complaints: string[];
  readonly ask: (justification: string) => Promise<string>;
  readonly signIn: (email: string) => Promise<void>;
}

async function world(t: TestContext): Promise<World> {
  let at = '';
  const api = await testApi(t, { publicUrl: () => at, tls });
  at = `https://localhost:${(api.app.server.address() as { port: number }).port}`;
  const { control, actor } = api;
  await control.persons.create(actor, { name: 'Max', email: 'max@example.org', roles: ['approver'] });
  await control.principals.create(actor, {
    ...{ name: 'batch', kind: 'service_account', owner: 'ada@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  await control.resources.create(actor, RESOURCE);
  await control.policies.put(actor, 'main', POLICY, 'begin');
  const context = await browser.newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== at) complaints.push(request.url());
  });
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text());
  });
  const ask = async (justification: string): Promise<string> => {
    const input = { principal: 'batch', resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 3600 };
    return (await control.requests.create(actor, { ...input, justification })).id;
  };
  const signIn = async (email: string): Promise<void> => {
    const { id } = await control.persons.get(email);
    const how = { kind: 'browser', method: 'passkey', provider: null, source: '127.0.0.1' } as const;
    const { token } = await control.sessions.open({ ...how, person: id, authenticatedAt: Date.now() });
    await context.addCookies([{ name: SESSION_COOKIE, value: token, url: at, secure: true, httpOnly: true }]);
  };
  return { api, at, page, complaints, ask, signIn };
}

test('who follows the link signs in, comes back, reads what is asked for, and agrees with a comment', async (t) => {
  const w = await world(t);
  const id = await w.ask('<b onclick=alert(1)>books</b>');
  await w.page.goto(`${w.at}/requests/${id}`);
  await w.page.locator('#sign-in').waitFor();
  assert.equal(await w.page.locator('#request').isVisible(), false);
  assert.equal(await w.page.locator('#login').getAttribute('href'), `/login?request=${id}`);
  await w.signIn('max@example.org');
  // Where the login page ends for who is signed in.
  await w.page.goto(`${w.at}/login?request=${id}`);
  await w.page.waitForURL(`${w.at}/requests/${id}`);
  await w.page.locator('#decide').waitFor();
  const facts = (await w.page.locator('#facts').textContent()) ?? '';
  assert.match(facts, /batch/);
  // What people wrote is text.
  assert.match(facts, /<b onclick=alert\(1\)>books<\/b>/);
  await w.page.locator('#comment').fill('as agreed');
  await w.page.locator('#approve').click();
  await w.page.locator('#facts', { hasText: 'granted' }).waitFor();
  assert.equal(await w.page.locator('#decide').isVisible(), false);
  const request = await w.api.control.requests.get(id);
  assert.equal(request.status, 'granted');
  assert.equal(request.approvals[0]?.comment, 'as agreed');
  assert.deepEqual(w.complaints, []);
});

test('a no takes a reason, and who is not asked has no buttons', async (t) => {
  const w = await world(t);
  const id = await w.ask('books');
  await w.signIn('ada@example.org');
  await w.page.goto(`${w.at}/requests/${id}`);
  await w.page.locator('#facts', { hasText: 'batch' }).waitFor();
  assert.equal(await w.page.locator('#decide').isVisible(), false);
  await w.signIn('max@example.org');
  await w.page.reload();
  await w.page.locator('#deny').click();
  await w.page.locator('#message', { hasText: 'needs a reason' }).waitFor();
  await w.page.locator('#comment').fill('no window');
  await w.page.locator('#deny').click();
  await w.page.locator('#facts', { hasText: 'denied' }).waitFor();
  assert.equal((await w.api.control.requests.get(id)).statusReason, 'no window');
  await w.page.goto(`${w.at}/login?request=//evil.example`);
  await w.page.locator('#account').waitFor();
  assert.deepEqual(w.complaints, []);
});
