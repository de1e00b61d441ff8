import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CliError } from './failure.ts';
import { parseResourceUrl } from './resource-url.ts';

describe('the URL of a resource', () => {
  it('gives host, port, database, user and TLS mode', () => {
    assert.deepEqual(parseResourceUrl('postgres://ledger_app@db.bank.example/bank?sslmode=verify-full'), {
      host: 'db.bank.example',
      port: 5432,
      database: 'bank',
      user: 'ledger_app',
      tlsMode: 'verify-full',
      caFile: undefined,
    });
    const other = parseResourceUrl('postgresql://a%20b@[::1]:6000/my%2Fdb?sslrootcert=/x/ca.crt');
    assert.deepEqual([other.host, other.port, other.database, other.user], ['::1', 6000, 'my/db', 'a b']);
    assert.equal(other.caFile, '/x/ca.crt');
  });

  it('is refused with a password in it, and the error does not repeat the password', () => {
    assert.throws(
      () => parseResourceUrl('postgres://u:hunter2@h/d'),
      (error) =>
        error instanceof CliError &&
        error.exitCode === 2 &&
        !`${error.message}${error.hint}`.includes('hunter2'),
    );
  });

  it('is refused when it is malformed, incomplete or says what has no meaning here', () => {
    for (const bad of [
      'mysql://u@h/d',
      'nonsense u:hunter2@h',
      'postgres://h/d',
      'postgres://u@/d',
      'postgres://u@h',
      'postgres://u@h/',
      'postgres://u@h:99999/d',
      'postgres://u@h/d?sslmode=prefer',
      'postgres://u@h/d?options=-csearch_path',
      'postgres://u@h/%zz',
    ]) {
      assert.throws(
        () => parseResourceUrl(bad),
        (error) => error instanceof CliError && error.exitCode === 2 && !error.message.includes('hunter2'),
        bad,
      );
    }
  });
});
