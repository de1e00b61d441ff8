/** From the command line: people who sign in with a code at an OpenID provider, and a directory that tells of them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ensureTls } from '../src/vault/ca.ts';
import { CommandLine } from './support/command-line.ts';
import { HeadlessBrowser, OidcProvider } from './support/oidc.ts';

describe('people at the command line', () => {
  let line: CommandLine;
  let idp: OidcProvider;
  let ca: string;
  before(async () => {
    line = await CommandLine.start();
    await line.prepare();
    const tls = await ensureTls(line.home);
    ca = tls.caPem;
    idp = await OidcProvider.start(tls, [`https://localhost:${line.postern.api.port}/login/callback/bank`]);
    idp.accounts.set('sub-ada', { email: 'ada@bank.example', email_verified: true, name: 'Ada' });
  });
  after(async () => {
    idp?.stop();
    await line?.stop();
  });

  it('a directory that was added tells of a joiner, with the token that was printed once', async () => {
    const token = (await line.ok(['directory', 'add', 'okta', '--group', 'DB owners=owner'])).trim();
    const made = await line.postern.call<{ id: string }>(
      'POST',
      '/scim/v2/Users',
      {
        schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
        ...{ userName: 'eve@bank.example', displayName: 'Eve Lund', active: true },
        emails: [{ value: 'eve@bank.example', primary: true }],
      },
      token,
    );
    assert.ok(made.id);
    assert.match(await line.ok(['person', 'list']), /Eve Lund/);
    assert.doesNotMatch(await line.ok(['directory', 'list', '--json']), new RegExp(token));
  });

  it('a code typed at the provider signs the command line in', async () => {
    const secret = line.file('client-secret', 'client-secret-of-the-test');
    await line.ok([
      ...['provider', 'add', 'bank', '--issuer', idp.issuer, '--client-id', 'postern'],
      ...['--secret-file', secret, '--domain', 'bank.example', '--ca-file', line.file('idp-ca.crt', ca)],
    ]);
    const login = await line.begin(['login', '--no-open']);
    try {
      const [, uri = '', code = ''] = await login.waitFor(/Open (\S+) on any device and type: (\S+)/);
      const browser = new HeadlessBrowser(ca);
      const asked = await browser.step(uri);
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(asked.text)?.[1] ?? '';
      const typed = await browser.step(uri, { xsrf, user_code: code });
      const agree = /name="xsrf" value="([^"]+)"/.exec(typed.text)?.[1] ?? xsrf;
      const sent = await browser.step(uri, { xsrf: agree, user_code: code, confirm: 'yes' });
      assert.ok(sent.location !== null, sent.text);
      await browser.go(sent.location, 'sub-ada');
      await login.waitFor(/Signed in as Ada Boone/);
    } finally {
      await login.stop();
    }
    assert.match(await line.ok(['whoami']), /device code of the identity provider bank/);
    await line.ok(['logout']);
    assert.match(await line.fails(['principal', 'list']), /postern login/);
  });
});
