/** The pages of signing in, in a real browser with a virtual authenticator: passkeys, recovery codes, invitations. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { CHROMIUM, ensureDebianPackages, findCommand } from '../scripts/need.ts';
import { type TestApi, testApi } from '../src/api/api.fixture.ts';
import { ensureTls, type TlsMaterial } from '../src/vault/ca.ts';
import { run, start } from './support/processes.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'postern-passkeys-'));
let tls: TlsMaterial;
let browser: Browser;
before(async () => {
  ensureDebianPackages([CHROMIUM]);
  tls = await ensureTls(folder);
  const spki = new X509Certificate(tls.certPem).publicKey.export({ type: 'spki', format: 'der' });
  // Passkeys need a certificate that the browser trusts; this one it does, and no other.
  const trusted = createHash('sha256').update(spki).digest('base64');
  browser = await chromium.launch({
    executablePath: findCommand(CHROMIUM.command) as string,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      `--ignore-certificate-errors-spki-list=${trusted}`,
    ],
  });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Device {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page asked for that was not of this installation, or went wrong. */
  readonly complaints: string[];
  /** Whether the person shows the authenticator who they are. */
  verifies(yes: boolean): Promise<void>;
  /** The passkeys in the authenticator. */
  passkeys(): Promise<readonly { readonly credentialId: string; readonly signCount: number }[]>;
  /** As if another copy of the first passkey had been used so often. */
  setCounter(signCount: number): Promise<void>;
}

async function device(t: TestContext, at: string): Promise<Device> {
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
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const credentials = async () =>
    (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
  return {
    page,
    context,
    complaints,
    verifies: async (isUserVerified) => {
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
    },
    passkeys: credentials,
    setCounter: async (signCount) => {
      const [first] = await credentials();
      assert.ok(first);
      await cdp.send('WebAuthn.removeCredential', { authenticatorId, credentialId: first.credentialId });
      await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...first, signCount } });
    },
  };
}

interface World {
  readonly api: TestApi;
  readonly at: string;
}

async function world(t: TestContext): Promise<World> {
  let at = '';
  const api = await testApi(t, { publicUrl: () => at, tls });
  at = `https://localhost:${(api.app.server.address() as { port: number }).port}`;
  return { api, at };
}

const invitationOf = async ({ api }: World, whom: string): Promise<string> => {
  const made = await api.call('POST', `/v1/persons/${whom}/invitations`, {});
  assert.equal(made.status, 201, made.text);
  return String(made.body.url);
};
const heading = (page: Page, name: string) => page.getByRole('heading', { name, exact: true }).waitFor();
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();
const types = ({ api }: World): string[] => api.sink.written.map((json) => JSON.parse(json).type);
/** Set to a folder to look at the pages. */
const PICTURES = process.env.POSTERN_TEST_PICTURES;
const picture = async (page: Page, name: string): Promise<void> => {
  if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
};

/** Comes in by an invitation. The recovery codes. */
async function enrol(w: World, { page }: Device, whom = 'ada@example.org'): Promise<string[]> {
  await page.goto(await invitationOf(w, whom));
  await heading(page, 'Welcome');
  await picture(page, 'invitation');
  assert.ok(!page.url().includes('inv_'), 'the invitation is not in the address any more');
  await press(page, 'Make a passkey');
  await heading(page, 'Keep these');
  await picture(page, 'codes');
  const codes = await page.locator('#code-list li').allTextContents();
  await press(page, 'I have kept them');
  await heading(page, 'Signed in');
  await picture(page, 'account');
  return codes;
}

test('an invitation makes a passkey and ten recovery codes, once; the passkey signs in from then on', async (t) => {
  const w = await world(t);
  const d = await device(t, w.at);
  const url = await invitationOf(w, 'ada@example.org');
  assert.equal((await enrol(w, d)).length, 10);
  await d.page.goto(url);
  await heading(d.page, 'This invitation does not work');
  await d.page.goto(`${w.at}/login`);
  await press(d.page, 'Sign out');
  await heading(d.page, 'Sign in');
  await picture(d.page, 'sign-in');
  await press(d.page, 'Sign in with a passkey');
  await heading(d.page, 'Signed in');
  assert.match(String(await d.page.locator('#account').textContent()), /Ada Admin \(ada@example\.org\)/);
  const seen = types(w);
  for (const type of [
    'person.invited',
    'authenticator.added',
    'recovery_codes.issued',
    'person.login',
    'person.logout',
  ])
    assert.ok(seen.includes(type), type);
  assert.deepEqual(d.complaints, []);
  const [passkey] = await d.passkeys();
  assert.equal(passkey?.signCount, 2);
});

test('the pages name nothing outside, run nothing inline, and are in no frame', async (t) => {
  const w = await world(t);
  for (const path of ['/login', '/login/invitation']) {
    const headers = { host: new URL(w.at).host };
    const answer = await w.api.call('GET', path, undefined, null, headers);
    const policy = String(answer.headers['content-security-policy']);
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.doesNotMatch(
      answer.text,
      /https?:\/\/|<style|style=|onclick|<script(?! type="module" src="\/login\/login.js")/,
    );
    const elsewhere = await w.api.call('GET', path, undefined, null, { host: '127.0.0.1' });
    assert.deepEqual([elsewhere.status, elsewhere.headers.location], [307, `${w.at}${path}`]);
  }
});

/** Shows a passkey as a page would that does not care who holds it. */
const showUnverified = (page: Page): Promise<number> =>
  page.evaluate(`(async () => {
    const send = (path, body) => fetch(path, {
      method: 'POST',
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const { options, ticket } = await (await send('/v1/login/passkey/begin')).json();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({ ...options, userVerification: 'discouraged' });
    const response = (await navigator.credentials.get({ publicKey })).toJSON();
    return (await send('/v1/login/passkey', { ticket, response })).status;
  })()`);

test('a passkey without user verification, of a copy, or that was removed does not sign in', async (t) => {
  const w = await world(t);
  const d = await device(t, w.at);
  await enrol(w, d);
  await press(d.page, 'Sign out');
  await heading(d.page, 'Sign in');
  const refused = async (text: RegExp): Promise<void> => {
    await press(d.page, 'Sign in with a passkey');
    await d.page.locator('#message:not([hidden])').filter({ hasText: text }).waitFor();
  };
  await d.verifies(false);
  assert.equal(await showUnverified(d.page), 401);
  await d.verifies(true);
  await d.setCounter(0);
  await refused(/not accepted/);
  await d.setCounter(50);
  await press(d.page, 'Sign in with a passkey');
  await heading(d.page, 'Signed in');
  const { items } = (await w.api.call('GET', '/v1/persons/ada@example.org/authenticators')).body;
  const [first] = items as unknown as { id: string }[];
  const gone = await w.api.call('POST', `/v1/authenticators/${first?.id}/remove`, { reason: 'lost' });
  assert.equal(gone.status, 200, gone.text);
  await d.page.reload();
  await heading(d.page, 'Sign in');
  await refused(/not accepted/);
});

test('a recovery code works once, in any writing, for a new passkey and nothing else; new codes void the old', async (t) => {
  const w = await world(t);
  const d = await device(t, w.at);
  const codes = await enrol(w, d);
  const fresh = await device(t, w.at);
  const { page } = fresh;
  const recover = async (email: string, code: string): Promise<void> => {
    await page.goto(`${w.at}/login`);
    await page.getByText('I have lost my passkey').click();
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Recovery code').fill(code);
    await picture(page, 'recovery');
    await press(page, 'Use the recovery code');
  };
  const wrong = () => page.locator('#message').filter({ hasText: 'do not belong together' }).waitFor();
  await recover('ada@example.org', '0000-0000-0000-0000');
  await wrong();
  await recover('nobody@example.org', codes[0] ?? '');
  await wrong();
  await recover('Ada@example.org', ` ${(codes[0] ?? '').toLowerCase().replaceAll('-', ' ')} `);
  await heading(page, 'Signed in');
  const status = (path: string, body?: object): Promise<number> =>
    page.evaluate(
      async ([where, content]) => {
        const { csrf } = (await (await fetch('/v1/whoami')).json()) as { csrf: string };
        const headers = { 'x-postern-csrf': csrf, 'content-type': 'application/json' };
        return (await fetch(String(where), { method: 'POST', headers, body: JSON.stringify(content) }))
          .status;
      },
      [path, body ?? {}] as const,
    );
  assert.equal(await status('/v1/sign-in', { freshSeconds: 60, reason: 'x' }), 403);
  assert.equal(await status('/v1/login/cli/approve', { challenge: 'x'.repeat(43) }), 403);
  assert.equal(await status('/v1/persons/ada@example.org/tokens', {}), 403);
  await press(page, 'Add a passkey');
  await heading(page, 'The passkey is kept');
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await recover('ada@example.org', codes[0] ?? '');
  await wrong();
  await press(page, 'Sign in with a passkey');
  await heading(page, 'Signed in');
  await press(page, 'Make new recovery codes');
  await heading(page, 'Keep these');
  await press(page, 'I have kept them');
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await recover('ada@example.org', codes[1] ?? '');
  await wrong();
  assert.deepEqual(fresh.complaints, []);
});

test('postern login asks the browser on the same computer, and the session that it gets ends with postern logout', async (t) => {
  const w = await world(t);
  const d = await device(t, w.at);
  await enrol(w, d);
  const home = mkdtempSync(join(tmpdir(), 'postern-login-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  writeFileSync(join(home, 'ca.crt'), tls.caPem);
  const env = { ...process.env, XDG_CONFIG_HOME: home, POSTERN_TOKEN: '' };
  const server = ['--api', w.at, '--ca', join(home, 'ca.crt')];
  const profile = join(home, 'postern', 'profile.json');
  const login = async (...more: string[]) => {
    const child = await start(LAUNCHER, ['login', '--browser', '--no-open', ...server, ...more], { env });
    const [, address = ''] = await child.waitFor(/computer: (\S+)\n/, 20_000);
    return { child, address };
  };
  const { child, address } = await login();
  const forged = new URL(address);
  const port = forged.searchParams.get('port');
  const stranger = await fetch(`http://127.0.0.1:${port}/?code=stolen&state=${'x'.repeat(43)}`);
  assert.equal(stranger.status, 400, 'a code that was not asked for');
  await d.page.goto(address);
  await heading(d.page, 'Sign in the command line');
  await picture(d.page, 'command-line');
  await press(d.page, 'Yes, sign it in');
  await d.page.getByText('The command line is signed in').waitFor();
  assert.equal((await child.exited).code, 0, child.stderr);
  assert.equal(statSync(profile).mode & 0o777, 0o600);
  const { token } = JSON.parse(readFileSync(profile, 'utf8'));
  assert.match(token, /^psc_/);
  const me = await run(LAUNCHER, ['whoami'], { env });
  assert.match(me.stdout, /passkey|invitation/);
  assert.match(me.stdout, /Ada Admin/);
  const again = await login('--again');
  await d.page.goto(again.address);
  await heading(d.page, 'Show once more who you are');
  await press(d.page, 'Sign in with a passkey');
  await press(d.page, 'Yes, sign it in');
  assert.equal((await again.child.exited).code, 0, again.child.stderr);
  assert.equal(
    (await w.api.call('GET', '/v1/whoami', undefined, token)).status,
    401,
    'the session of before',
  );
  const second = JSON.parse(readFileSync(profile, 'utf8')).token;
  assert.equal((await run(LAUNCHER, ['logout'], { env })).code, 0);
  assert.equal((await w.api.call('GET', '/v1/whoami', undefined, second)).status, 401);
  assert.equal(JSON.parse(readFileSync(profile, 'utf8')).token, null);
  assert.match((await run(LAUNCHER, ['whoami'], { env })).stderr, /postern login/);
});
