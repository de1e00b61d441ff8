import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { DEFAULT_API, profileDirectory, reachable, resolveConnection } from './connection.ts';
import { CliError } from './failure.ts';
import { readSecret, writePrivateFile } from './secret-file.ts';

const root = mkdtempSync(join(tmpdir(), 'postern-cli-'));
after(() => rmSync(root, { recursive: true, force: true }));

const env = { XDG_CONFIG_HOME: root };
const pem = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;
const file = (name: string, content: string): string => {
  writeFileSync(join(root, name), content);
  return join(root, name);
};
const ownCa = file('own.crt', pem('own'));
const otherCa = file('other.crt', pem('other'));
const profileFile = join(profileDirectory(env), 'profile.json');
const profile = (caFile: string | null): void =>
  writePrivateFile(
    profileFile,
    JSON.stringify({ api: 'https://own.example:8443', caFile, token: 'pat_own', expiresAt: 'x' }),
  );
const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof CliError && pattern.test(`${error.message} ${error.hint}`);

describe('where the API is and what is shown to it', () => {
  beforeEach(() => profile(ownCa));

  it('comes from flags before the data directory, the environment and the profile', () => {
    const data = join(root, 'data');
    mkdirSync(join(data, 'ca'), { recursive: true });
    writeFileSync(join(data, 'ca', 'ca.crt'), pem('data'));
    writeFileSync(join(data, 'run.json'), JSON.stringify({ pid: 1, api: { host: '0.0.0.0', port: 9 } }));
    const all = { ...env, POSTERN_API: 'https://env.example', POSTERN_CA: otherCa, POSTERN_TOKEN: 'pat_env' };
    assert.equal(resolveConnection({}, env).api, 'https://own.example:8443');
    assert.equal(resolveConnection({}, all).api, 'https://env.example');
    assert.equal(resolveConnection({ data }, all).api, 'https://127.0.0.1:9');
    assert.equal(resolveConnection({ data }, all).ca?.pem, pem('data'));
    assert.equal(
      resolveConnection({ data, api: 'https://flag.example:1', ca: ownCa }, all).api,
      'https://flag.example:1',
    );
    assert.equal(resolveConnection({ data, ca: ownCa }, all).ca?.pem, pem('own'));
    const tokenFile = file('token', 'pat_file\n');
    assert.equal(resolveConnection({ tokenFile }, all).token, 'pat_file');
    assert.equal(resolveConnection({}, all).token, 'pat_env');
    assert.equal(resolveConnection({}, {}, null).api, DEFAULT_API);
  });

  it('gives the token of the profile only to the installation it came from', () => {
    assert.equal(resolveConnection({}, env).token, 'pat_own');
    assert.equal(
      resolveConnection({ api: 'https://moved.example' }, env).token,
      'pat_own',
      'the same authority vouches',
    );
    assert.equal(resolveConnection({ ca: otherCa }, env).token, null);
    assert.equal(resolveConnection({ api: 'https://evil.example', ca: otherCa }, env).token, null);
    profile(null);
    assert.equal(resolveConnection({}, env).token, 'pat_own');
    assert.equal(resolveConnection({ api: 'https://evil.example' }, env).token, null);
    assert.equal(resolveConnection({ ca: otherCa }, env).token, null);
  });

  it('refuses a profile that others can read, or that is none', () => {
    chmodSync(profileFile, 0o644);
    assert.throws(() => resolveConnection({}, env), refused(/can be read by others.*chmod 600/));
    writePrivateFile(profileFile, '{"api":1}');
    assert.throws(() => resolveConnection({}, env), refused(/not a profile/));
    writePrivateFile(profileFile, 'null');
    assert.throws(() => resolveConnection({}, env), refused(/not a profile/));
  });

  it('refuses an address that would show the token in clear text or to somebody else', () => {
    for (const api of [
      'http://own.example:8443',
      'own.example',
      'https://u@own.example',
      'https://own.example/x',
      'file:///x',
    ]) {
      assert.throws(() => resolveConnection({ api }, env), refused(/not the address/), api);
    }
  });

  it('refuses tokens that could smuggle a header', () => {
    assert.throws(
      () => resolveConnection({}, { ...env, POSTERN_TOKEN: 'pat_a\r\nX: y' }),
      refused(/malformed/),
    );
    assert.throws(
      () => resolveConnection({}, { ...env, POSTERN_TOKEN: 'a'.repeat(513) }),
      refused(/malformed/),
    );
  });

  it('says that Postern may not be running where a data directory has no run.json', () => {
    assert.throws(
      () => resolveConnection({ data: join(root, 'none') }, env),
      refused(/postern serve --data/),
    );
  });

  it('connects to this machine where Postern listens on every address', () => {
    assert.deepEqual(
      ['0.0.0.0', '::', '10.0.0.1'].map((host) => reachable(host)),
      ['127.0.0.1', '::1', '10.0.0.1'],
    );
    assert.equal(reachable('0.0.0.0', 'postern.example'), 'postern.example');
  });
});

describe('files with secrets', () => {
  it('are written for their owner alone, in folders for their owner alone', () => {
    const path = join(root, 'deep', 'er', 'secret');
    writePrivateFile(path, 'one');
    writePrivateFile(path, 'two');
    assert.equal(readSecret(path, 'a secret'), 'two');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(root, 'deep')).mode & 0o777, 0o700);
  });

  it('give one line, and are refused when empty, too long, of several lines or absent', () => {
    assert.equal(readSecret(file('a', 'pass word\r\n'), 'x'), 'pass word');
    for (const bad of ['', '\n', 'a\nb\n', 'a\0b', 'x'.repeat(4097)]) {
      assert.throws(
        () => readSecret(file('b', bad), 'a password'),
        refused(/password/),
        JSON.stringify(bad.slice(0, 9)),
      );
    }
    assert.throws(() => readSecret(join(root, 'absent'), 'a password'), refused(/cannot read a password/));
  });
});
