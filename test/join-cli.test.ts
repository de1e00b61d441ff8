/** From the command line: a key pair joins, gets credentials, is replaced, and is locked once a copy of it is used; and bindings of other kinds. */
import assert from 'node:assert/strict';
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeAuthority } from '../src/core/certificates.fixture.ts';
import { CommandLine } from './support/command-line.ts';

describe('at the command line', () => {
  let line: CommandLine;
  before(async () => {
    line = await CommandLine.start();
    await line.prepare();
    await line.ok([
      ...['grant', 'add', '--principal', 'batch', '--resource', 'ledger-db', '--scope', 'select on ledger.*'],
      ...['--for', '1h', '--ticket', 'CHG-1'],
    ]);
  });
  after(() => line?.stop());

  it('a key pair joins with a one-time token, gets credentials, is replaced, and locked when it is in two hands', async () => {
    const key = join(line.home, 'key.json');
    const token = (await line.ok(['principal', 'join-token', 'batch'])).trim();
    const tokenFile = line.file('join-token', token);
    await line.ok(['join', '--token-file', tokenFile, '--key', key]);
    assert.equal(statSync(key).mode & 0o777, 0o600);
    assert.ok(!line.read('key.json').includes(token));
    const exchange = (from: string) =>
      line.call(['exchange', '--token-from', `key:${from}`, '--resource', 'ledger-db', '--json']);
    assert.equal((await exchange(key)).code, 0);
    await line.ok(['join', '--rotate', '--key', key]);
    assert.equal((await exchange(key)).code, 0);
    const copy = join(line.home, 'copy.json');
    copyFileSync(key, copy);
    assert.equal((await exchange(copy)).code, 0, 'nobody can tell yet');
    const second = await exchange(key);
    assert.notEqual(second.code, 0);
    assert.match(second.stderr, /in two hands/);
    assert.match((await exchange(copy)).stderr, /locked/);
    assert.match(
      (await line.call(['join', '--token-file', tokenFile, '--key', `${key}2`])).stderr,
      /not valid/,
    );
  });

  it('authorities are trusted and principals bound to what they say, each in its own words', async () => {
    const ca = line.file('ca.pem', (await makeAuthority()).pem);
    await line.ok(['client-ca', 'add', 'bank-pki', '--file', ca]);
    const bind = (...args: string[]) => line.call(['binding', 'add', ...args]);
    const made = await bind(
      'certificate',
      'batch',
      '--client-ca',
      'bank-pki',
      '--subject',
      'CN=job,O=Bank',
      '--json',
    );
    assert.equal(made.code, 0, made.stderr);
    assert.match((await bind('certificate', 'batch', '--dns', 'a', '--uri', 'b')).stderr, /by one thing/);
    assert.equal((await bind('certificate', 'batch', '--public-key-of', ca)).code, 0);
    assert.match(await line.ok(['client-ca', 'list']), /bank-pki/);
    assert.match(await line.ok(['binding', 'list', '--principal', 'batch']), /CN=job,O=Bank/);
    await line.ok(['client-ca', 'remove', 'bank-pki', '--reason', 'over']);
    assert.doesNotMatch(await line.ok(['binding', 'list', '--principal', 'batch']), /CN=job/);
    assert.match(
      (await bind('spiffe', 'batch', '--id', 'spiffe://none.example/a')).stderr,
      /no trust domain/,
    );
    await line.ok(['person', 'add', 'Grace', '--email', 'grace@bank.example', '--role', 'approver']);
    const ask = ['--reason', 'cannot', '--approver', 'grace@bank.example', '--expires', '30d'];
    const secret = await bind('secret', 'batch', ...ask);
    assert.equal(secret.code, 0, secret.stderr);
    const id = /approve ([0-9a-f-]{36})/.exec(secret.stderr)?.[1] ?? '';
    assert.match((await line.call(['binding', 'approve', id])).stderr, /was asked to approve it/);
    const shown = await line.ok(['principal', 'show', 'batch']);
    const exception =
      /static secret +requested +exception until \d{4}-\d\d-\d\d [\d:]+Z, Grace has yet to agree: cannot/;
    assert.match(shown, exception);
    assert.match(shown, /certificate +active/);
    assert.doesNotMatch(shown, /CN=job/, 'what is removed does not prove anything');
  });
});
