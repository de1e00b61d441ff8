import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  commandEnvironment,
  databaseName,
  formatExports,
  formatPgpass,
  formatUri,
  type Login,
  shellQuote,
} from './postgres-env.ts';

const login: Login = {
  host: 'postern.bank.example',
  port: 6432,
  user: 'nightly-ledger-batch',
  password: 'postern_a-b_c',
  database: 'ledger-db',
  caFile: '/etc/postern/ca.crt',
};

describe('the environment of a command under a login', () => {
  it('says where to connect, as whom, and that the certificate is to be verified', () => {
    const env = commandEnvironment({ PATH: '/bin' }, login, { POSTERN_GRANT: 'g' });
    assert.deepEqual(env, {
      PATH: '/bin',
      PGHOST: 'postern.bank.example',
      PGPORT: '6432',
      PGUSER: 'nightly-ledger-batch',
      PGPASSWORD: 'postern_a-b_c',
      PGDATABASE: 'ledger-db',
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: '/etc/postern/ca.crt',
      PGSSLCERTMODE: 'disable',
      PGGSSENCMODE: 'disable',
      POSTERN_GRANT: 'g',
    });
  });

  it("holds none of its starter's secrets", () => {
    const secrets = { POSTERN_TOKEN: 's', POSTERN_SETUP_TOKEN: 's', POSTERN_UPSTREAM_PASSWORD: 's' };
    const env = commandEnvironment({ ...secrets, HOME: '/h' }, login, {});
    for (const name of Object.keys(secrets)) assert.ok(!(name in env), name);
    assert.equal(env.HOME, '/h');
  });

  it('holds nothing that would lead the client elsewhere', () => {
    const env = commandEnvironment(
      {
        PGHOSTADDR: '203.0.113.1',
        PGSERVICE: 'other',
        PGSSLMODE: 'disable',
        PGPASSFILE: 'x',
        PGSSLCERT: 'x',
      },
      login,
      {},
    );
    assert.equal(env.PGSSLMODE, 'verify-full');
    for (const name of ['PGHOSTADDR', 'PGSERVICE', 'PGPASSFILE', 'PGSSLCERT'])
      assert.ok(!(name in env), name);
  });
});

describe('forms of a login', () => {
  it('names the database within a resource', () => {
    assert.equal(databaseName('ledger-db', undefined), 'ledger-db');
    assert.equal(databaseName('ledger-db', 'reports'), 'ledger-db/reports');
  });

  it('is read back by a shell exactly, whatever a value holds', () => {
    const value = fc.string({
      unit: fc.constantFrom("'", '"', '$', '`', '\\', ' ', '\n', ';', '!', 'a', '*', '-', '~'),
    });
    const values = fc.sample(value, 200);
    const script = values.map((text) => `printf '%s\\0' ${shellQuote(text)}`).join('\n');
    const read = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
    assert.deepEqual(read, values);
    const shown = execFileSync('sh', [
      '-c',
      `${formatExports({ ...login, password: "a'b" })} printf %s "$PGPASSWORD"`,
    ]);
    assert.equal(String(shown), "a'b");
  });

  it('is a URI from which every part comes back', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        (user, password, database) => {
          const url = new URL(formatUri({ ...login, user, password, database }).trim());
          assert.equal(decodeURIComponent(url.username), user);
          assert.equal(decodeURIComponent(url.password), password);
          // `.` and `..` are steps of a path to a URL parser, though not to libpq.
          if (!/^\.\.?$/.test(database)) assert.equal(decodeURIComponent(url.pathname), `/${database}`);
          assert.equal(url.searchParams.get('sslrootcert'), login.caFile);
        },
      ),
    );
    assert.match(formatUri({ ...login, host: '::1' }), /@\[::1\]:6432\//);
  });

  it('is a password file line with its separators escaped', () => {
    assert.equal(
      formatPgpass({ ...login, password: 'a:b\\c', database: null }),
      'postern.bank.example:6432:*:nightly-ledger-batch:a\\:b\\\\c\n',
    );
  });
});
