import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { TOKEN_TYPES } from '../identity/proof.ts';
import { SSH_NAMESPACE, sshStatement } from '../identity/ssh-prover.ts';
import { SshError, verifySshSignature } from '../identity/ssh-signature.ts';
import { testControl } from './control.fixture.ts';

const AUDIENCE = 'https://postern.bank.example';
const NEVER = Buffer.from('nothing');

describe('a signature of ssh-keygen', () => {
  let home: string;
  const at = (name: string): string => join(home, name);
  const keygen = (...args: string[]): void => {
    execFileSync('ssh-keygen', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const pub = (name: string): string => readFileSync(at(`${name}.pub`), 'utf8');
  before(() => {
    home = mkdtempSync(join(tmpdir(), 'postern-sshsig-'));
    for (const [name, ...type] of [
      ['ed', 'ed25519'],
      ['ec', 'ecdsa', '-b', '256'],
      ['rsa', 'rsa', '-b', '2048'],
      ['big', 'ecdsa', '-b', '384'],
      ['ca', 'ed25519'],
      ['ca2', 'rsa', '-b', '2048'],
      ['stranger', 'ed25519'],
    ] as const)
      keygen('-q', '-N', '', '-C', 'test', '-f', at(name), '-t', ...type);
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  /** The signature of a key over a text, as bytes. */
  const signed = (key: string, text: string, namespace = SSH_NAMESPACE): Buffer => {
    writeFileSync(at('message'), text);
    rmSync(at('message.sig'), { force: true });
    keygen('-q', '-Y', 'sign', '-f', at(key), '-n', namespace, at('message'));
    return Buffer.from(readFileSync(at('message.sig'), 'utf8').replace(/-----[^-]+-----|\s/g, ''), 'base64');
  };
  /** A certificate for the key `ed`. */
  const certify = (ca: string, ...options: string[]): void => {
    rmSync(at('ed-cert.pub'), { force: true });
    keygen('-q', '-s', at(ca), '-I', 'job@runner', ...options, at('ed.pub'));
  };
  const bank = async (context: TestContext) => {
    const t = await testControl(context, { issuer: () => AUDIENCE });
    const { control, actor, admin } = t;
    const backup = await control.persons.create(actor, {
      name: 'B',
      email: 'b@example.org',
      roles: ['owner'],
    });
    for (const name of ['job', 'other'])
      await control.principals.create(actor, {
        ...{
          name,
          kind: 'workload',
          owner: admin.id,
          backupOwner: backup.id,
          purpose: 'x',
          environment: 'test',
        },
      });
    const prover = control.provers.get(TOKEN_TYPES.sshSignature);
    assert.ok(prover);
    const tokenOf = (text: string, signature: Buffer): string =>
      `${Buffer.from(text).toString('base64')}.${signature.toString('base64')}`;
    const prove = (token: string, source = '192.0.2.1') =>
      prover({ type: TOKEN_TYPES.sshSignature, token, source });
    const statement = (name = 'job', over: { audience?: string; nonce?: string } = {}): string =>
      sshStatement(over.audience ?? AUDIENCE, name, over.nonce ?? control.challenges.issue());
    const show = (key: string, name = 'job', source?: string) => {
      const text = statement(name);
      return prove(tokenOf(text, signed(key, text)), source);
    };
    const bind = (
      principal: string,
      input: { publicKey: string } | { trust: string; sshPrincipal: string },
    ) => control.possession.bind(actor, principal, { kind: 'ssh', ...input }, 'why');
    return { ...t, prove, tokenOf, statement, show, bind };
  };

  it('of each kind of key that is taken proves its principal, once', async (context) => {
    const { control, actor, prove, tokenOf, statement, show, bind } = await bank(context);
    for (const key of ['ed', 'ec', 'rsa']) {
      const bound = await bind('job', { publicKey: pub(key) });
      const text = statement();
      const token = tokenOf(text, signed(key, text));
      const proof = await prove(token);
      assert.equal(proof.binding, bound.id);
      assert.match(proof.subject ?? '', /^SHA256:/);
      await assert.rejects(prove(token), /was used/);
      await control.bindings.remove(actor, bound.id, 'over');
      await assert.rejects(show(key), /not bound to this key/);
    }
    await assert.rejects(bind('job', { publicKey: pub('big') }), /are taken of/);
    await assert.rejects(bind('job', { publicKey: pub('ed') + pub('ec') }), /one SSH key/);
  });

  it('proves nothing where one thing is wrong', async (context) => {
    const { control, prove, tokenOf, statement, show, bind } = await bank(context);
    await bind('job', { publicKey: pub('ed') });
    await assert.rejects(bind('other', { publicKey: pub('ed') }), /could fit this binding/);
    await assert.rejects(show('stranger'), /not bound to this key/);
    await assert.rejects(show('ed', 'other'), /not bound to this key/);
    await assert.rejects(show('ed', 'nobody'), /not bound to this key/);
    await assert.rejects(show('big'), /kind that is not taken/);
    const text = statement();
    const good = signed('ed', text);
    await assert.rejects(prove(tokenOf(statement(), good)), /does not fit its key/);
    await assert.rejects(prove(tokenOf(text, signed('ed', text, 'file'))), /another namespace/);
    for (const [wrong, why] of [
      [statement('job', { audience: 'https://else.example' }), /not for/],
      [statement('job', { nonce: 'AAAA' }), /not one of this Postern/],
      [
        statement('job', { nonce: control.challenges.issue(Date.now() - 121_000) }),
        /not one of this Postern/,
      ],
      [`${text}more\n`, /another form/],
      [text.replace('\n', '\r\n'), /another form/],
    ] as const)
      await assert.rejects(prove(tokenOf(wrong, signed('ed', wrong))), why);
    for (const token of ['', '.', 'a.b.c', 'a b.c', `${'A'.repeat(15_000)}.AAAA`])
      await assert.rejects(prove(token), { code: 'POSTERN_UNAUTHORIZED' });
    assert.equal((await prove(tokenOf(text, good))).principal.name, 'job', 'none of these used anything up');
  });

  it('with a certificate proves the principal that it names, by an authority that is trusted', async (context) => {
    const { control, actor, show, bind } = await bank(context);
    await control.trusts.add(actor, {
      kind: 'ssh',
      name: 'bank-ssh',
      keys: `# rotation\n${pub('ca')}${pub('ca2')}`,
    });
    await bind('job', { trust: 'bank-ssh', sshPrincipal: 'runner' });
    for (const ca of ['ca', 'ca2']) {
      certify(ca, '-n', 'runner,deploy', '-V', '-5m:+5m', '-z', '7');
      const proof = await show('ed-cert.pub');
      assert.equal(proof.issuer, 'bank-ssh');
      assert.equal(proof.subject, 'job@runner');
      assert.equal(proof.claims.serial, '7');
      assert.ok((proof.expiresAt ?? 0) > Date.now());
    }
    const refused = async (why: RegExp, ca: string, ...options: string[]): Promise<void> => {
      certify(ca, ...options);
      await assert.rejects(show('ed-cert.pub'), why);
    };
    const valid = ['-V', '-5m:+5m'];
    await refused(/not bound to this key/, 'stranger', '-n', 'runner', ...valid);
    await refused(/not bound to this key/, 'ca', '-n', 'Runner', ...valid);
    await refused(/not bound to this key/, 'ca', ...valid);
    await refused(/is over/, 'ca', '-n', 'runner', '-V', '-10m:-5m');
    await refused(/not valid yet/, 'ca', '-n', 'runner', '-V', '+5m:+10m');
    await refused(/not one of a user/, 'ca', '-h', '-n', 'runner', ...valid);
    await refused(/critical option.*force-command/, 'ca', '-n', 'runner', '-O', 'force-command=id', ...valid);
    certify('ca', '-n', 'runner', '-O', 'source-address=192.0.2.0/28,2001:db8::/32', ...valid);
    assert.equal((await show('ed-cert.pub')).principal.name, 'job');
    assert.equal((await show('ed-cert.pub', 'job', '::ffff:192.0.2.5')).principal.name, 'job');
    assert.equal((await show('ed-cert.pub', 'job', '2001:db8::1')).principal.name, 'job');
    await assert.rejects(show('ed-cert.pub', 'job', '192.0.2.77'), /not for the address/);
    certify('ca2', '-t', 'ssh-rsa', '-n', 'runner', ...valid);
    await assert.rejects(show('ed-cert.pub'), /not signed by the authority/);
    certify('ca', '-n', 'runner', ...valid);
    await control.trusts.remove(actor, 'ssh', 'bank-ssh', 'over');
    await assert.rejects(show('ed-cert.pub'), /not bound to this key/);
  });

  it('is read, or refused, from any bytes', () => {
    certify('ca', '-n', 'runner', '-V', '-5m:+5m');
    const blob = signed('ed-cert.pub', 'x');
    const tried = (bytes: Buffer): void => {
      try {
        verifySshSignature(bytes, SSH_NAMESPACE, Buffer.from('x'));
        assert.deepEqual(bytes, blob);
      } catch (error) {
        assert.ok(error instanceof SshError, String(error));
      }
    };
    tried(blob);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => tried(Buffer.from(bytes))));
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.nat(255), fc.nat(3), (where, byte, cut) => {
        const changed = Buffer.concat([
          blob.subarray(0, where),
          Buffer.from([byte]),
          blob.subarray(where + 1 + cut),
        ]);
        tried(changed);
      }),
      { numRuns: 2000 },
    );
    for (let size = 0; size < blob.length; size++)
      assert.throws(() => verifySshSignature(blob.subarray(0, size), SSH_NAMESPACE, NEVER), SshError);
  });
});
