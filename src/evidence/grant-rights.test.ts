import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { rightsOf } from '../access/scope-rights.ts';
import { scopeRelations } from '../access/scopes.ts';
import { buildDatabase } from './assess/database.ts';
import { builtInLibrary } from './assess/library.ts';
import { grantRights } from './grant-rights.ts';
import type { Member } from './populations.ts';

const member = (leaf: number, state: object): Member => ({
  ...{ leaf, lastLeaf: leaf, lastActor: { id: 'a', name: 'A' }, lastTime: '', createdTime: '' },
  state: state as Member['state'],
});
const RESOURCES = new Map([
  ['r', member(0, { protocol: 'postgres' })],
  ['web', member(1, { protocol: 'other' })],
]);
const grant = (over: object = {}): Member =>
  member(5, {
    ...{ principal: { id: 'p', name: 'batch' }, resource: { id: 'r', name: 'ledger-db' }, status: 'active' },
    ...{ start: '2026-01-01T00:00:00.000000Z', end: '2026-12-01T00:00:00.000000Z' },
    scope: 'select, insert (id) on ledger.*, "Odd".t1; listen on events',
    ...over,
  });

test('each right of an active grant is a row, and what cannot be read has none', () => {
  const rows = [...grantRights(new Map([['g', grant()]]), RESOURCES)];
  assert.deepEqual(
    rows.map(({ id, verb, columns, object, objects }) => [id, verb, columns, object, objects]),
    [
      ['g 1', 'select', null, 'ledger.*', 'ledger.*'],
      ['g 2', 'select', null, '"Odd".t1', '"Odd".t1'],
      ['g 3', 'insert', ['id'], 'ledger.*', 'ledger.*'],
      ['g 4', 'insert', ['id'], '"Odd".t1', '"Odd".t1'],
      ['g 5', 'listen', null, 'events', 'events'],
    ],
  );
  for (const over of [
    { status: 'revoked' },
    { scope: 'nonsense' },
    { scope: 7 },
    { resource: { id: 'web' } },
  ]) {
    assert.deepEqual([...grantRights(new Map([['g', grant(over)]]), RESOURCES)], []);
  }
});

test('rights of HTTP are methods on paths', () => {
  const scope =
    'GET, HEAD on /v1/accounts/*/entries, /v1/files/**; POST on /v1/pay%5B1%5D/42 where body <= 1KiB';
  const resources = new Map([['r', member(0, { protocol: 'http' })]]);
  const rows = [...grantRights(new Map([['g', grant({ scope })]]), resources)];
  assert.deepEqual(
    rows.map(({ verb, columns, object, objects }) => [verb, columns, object, objects]),
    [
      ['GET', null, '/v1/accounts/*/entries', '/v1/accounts/*/entries'],
      ['GET', null, '/v1/files/**', '/v1/files/*'],
      ['HEAD', null, '/v1/accounts/*/entries', '/v1/accounts/*/entries'],
      ['HEAD', null, '/v1/files/**', '/v1/files/*'],
      ['POST', null, '/v1/pay%5B1%5D/42', '/v1/pay%5B1%5D/[*]'],
    ],
  );
});

test('what a right covers fits its pattern, whatever the names', () => {
  const db = new DatabaseSync(':memory:');
  const fits = db.prepare('SELECT ? GLOB ? AS fits');
  const name = fc.stringMatching(/^[ab_AB."*?[\]]{1,6}$/);
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const pattern = fc.oneof(fc.stringMatching(/^[ab_*?]{1,6}$/), name.map(quoted));
  fc.assert(
    fc.property(pattern, pattern, name, name, (schemaPattern, namePattern, schema, table) => {
      const scope = `select on ${schemaPattern}.${namePattern}`;
      const object = `${quoted(schema)}.${quoted(table)}`;
      const [recorded] = rightsOf('postgres', `select on ${object}`);
      const [right] = rightsOf('postgres', scope);
      if (!scopeRelations.within('postgres', `select on ${object}`, scope)) return;
      assert.equal(
        fits.get(recorded?.object ?? '', right?.glob ?? '')?.fits,
        1,
        `${recorded?.object} ${scope}`,
      );
    }),
    { numRuns: 2000 },
  );
  db.close();
});

test('the query finds the rights under which nothing was done for so many days, and none where the period is too short', () => {
  const query = builtInLibrary().queries.get('rights-unused');
  assert.ok(query);
  const used = (over: object) => ({
    ...{
      principalId: 'p',
      principal: 'batch',
      resourceId: 'r',
      resource: 'ledger-db',
      grant: 'g',
      session: 's',
    },
    ...{
      verbs: ['select'],
      objects: ['ledger.a'],
      decision: 'allow',
      why: 'x',
      day: '2026-05-01',
      commands: 1,
    },
    ...{
      failed: 0,
      unanswered: 0,
      rows: 0,
      firstTime: '2026-05-01T00:00:00.000000Z',
      firstLeaf: 9,
      lastLeaf: 9,
    },
    lastTime: '2026-05-01T00:00:00.000000Z',
    ...over,
  });
  const ask = (summary: readonly object[], since = '2026-01-01T00:00:00.000000Z') => {
    const rights = [...grantRights(new Map([['g', grant()]]), RESOURCES)];
    const { sql } = buildDatabase(
      (file) =>
        file.includes('grant_rights')
          ? rights
          : file.includes('commands_summary')
            ? (summary as Record<string, unknown>[])
            : [],
      { name: 'x', since, until: '2027-01-01T00:00:00.000000Z', zone: 'UTC' },
      { origin: 'test', size: 10, root: '', time: '2026-06-01T00:00:00.000000Z' },
      [{ id: 'unused-privilege-days', value: 60 }],
    );
    const examined = Object.values(sql.prepare(query.examined).get() ?? {})[0];
    const rows = sql.prepare(query.rows).all() as { verb: string; object: string }[];
    sql.close();
    return { examined, rows: rows.map(({ verb, object }) => `${verb} ${object}`) };
  };
  const all = ['select ledger.*', 'select "Odd".t1', 'insert ledger.*', 'insert "Odd".t1', 'listen events'];
  assert.deepEqual(ask([]), { examined: 5, rows: all });
  assert.deepEqual(ask([used({})]).rows, all.slice(1));
  const both = used({ verbs: ['insert', 'select'], objects: ['"Odd".t1', 'ledger.b'] });
  assert.deepEqual(ask([both]).rows, ['listen events']);
  for (const over of [
    { lastTime: '2026-03-01T00:00:00.000000Z' },
    { decision: 'deny' },
    { grant: 'other' },
    { objects: ['hr.a'] },
  ]) {
    assert.deepEqual(ask([used(over)]).rows, all);
  }
  // Of kinds that are not told apart anything may have been used.
  assert.deepEqual(ask([used({ verbs: null, objects: null })]).rows, []);
  assert.deepEqual(ask([], '2026-05-01T00:00:00.000000Z'), { examined: 0, rows: [] });
});
