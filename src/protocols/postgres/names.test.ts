import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogFrom, effectivePath, parseSearchPath, resolve } from './names.ts';

const catalog = catalogFrom([
  { kind: 's', schema: 'public', name: '' },
  { kind: 's', schema: 'app', name: '' },
  { kind: 's', schema: 'pg_catalog', name: '' },
  { kind: 'r', schema: 'public', name: 't' },
  { kind: 'r', schema: 'app', name: 't' },
  { kind: 'r', schema: 'public', name: 'pg_class' },
  { kind: 'r', schema: 'pg_catalog', name: 'pg_class' },
  { kind: 'f', schema: 'app', name: 'f' },
  { kind: 'f', schema: 'public', name: 'f' },
]);

test('the search path is read as PostgreSQL prints it', () => {
  const texts: readonly (readonly [string, readonly string[]])[] = [
    ['"$user", public', ['svc', 'public']],
    ['$user,public', ['svc', 'public']],
    ['', []],
    ['""', []],
    ['"", app', ['app']],
    ['Public,  "My, Schema" ,"a""b"', ['public', 'My, Schema', 'a"b']],
    ['"App"', ['App']],
  ];
  for (const [text, expected] of texts) assert.deepEqual(parseSearchPath(text, 'svc'), expected, text);
});

test('the effective path holds existing schemas only, each once, and the temporary one where named', () => {
  assert.deepEqual(effectivePath('"$user", gone, public, public, pg_temp', 'svc', catalog, null), [
    'public',
    'pg_temp',
  ]);
  assert.deepEqual(effectivePath('"$user"', 'app', catalog, null), ['app']);
});

test('the path of a role of its own leads through what is open to all and what it was given something in', () => {
  const names = catalogFrom([
    { kind: 's', schema: 'open', name: 'all' },
    { kind: 's', schema: 'users', name: 'user' },
    { kind: 's', schema: 'closed', name: 'none' },
  ]);
  const path = (given: ((schema: string) => boolean) | null) =>
    effectivePath('closed, users, open, gone', 'svc', names, given);
  assert.deepEqual(path(null), ['users', 'open']);
  assert.deepEqual(
    path(() => false),
    ['open'],
  );
  assert.deepEqual(
    path((schema) => schema === 'closed'),
    ['closed', 'open'],
  );
  assert.deepEqual(
    path(() => true),
    ['closed', 'users', 'open'],
  );
});

test('the first schema of the path that holds the name wins, the system one first unless it is named', () => {
  const relation = { verb: 'select', kind: 'relation', schema: null } as const;
  assert.deepEqual(resolve({ ...relation, name: 't' }, ['app', 'public'], catalog), {
    schema: 'app',
    name: 't',
  });
  assert.deepEqual(resolve({ ...relation, name: 't' }, ['public', 'app'], catalog), {
    schema: 'public',
    name: 't',
  });
  assert.deepEqual(resolve({ ...relation, name: 'pg_class' }, ['public'], catalog), {
    schema: 'pg_catalog',
    name: 'pg_class',
  });
  assert.deepEqual(resolve({ ...relation, name: 'pg_class' }, ['public', 'pg_catalog'], catalog), {
    schema: 'public',
    name: 'pg_class',
  });
  assert.equal(resolve({ ...relation, name: 't' }, [], catalog), 'unsure');
  assert.deepEqual(resolve({ ...relation, schema: 'x', name: 't' }, [], null), { schema: 'x', name: 't' });
});

test('functions are told per schema, without order', () => {
  assert.deepEqual(catalog.functionSchemas('f'), ['app', 'public']);
  assert.deepEqual(catalog.functionSchemas('constructor'), []);
  assert.equal(catalog.has('app', 'toString'), false);
});

test('columns are found by the name of their relation and by its OID, as they are now', () => {
  const columns = '[[1,"id",20],[3,"a \\"quoted\\" näme",25]]';
  const one = catalogFrom([
    { kind: 's', schema: 'hr', name: '' },
    { kind: 'r', schema: 'hr', name: 'staff', oid: '4000000000', relkind: 'r', columns },
    { kind: 'r', schema: 'hr', name: 'nothing', oid: '16400', relkind: 'r', columns: null },
  ]);
  assert.deepEqual(one.columnsOf('hr', 'staff'), [
    { number: 1, name: 'id', type: 20 },
    { number: 3, name: 'a "quoted" näme', type: 25 },
  ]);
  assert.equal(one.relationByOid(4_000_000_000), one.relation('hr', 'staff'));
  assert.deepEqual(one.relationByOid(4_000_000_000)?.column('id')?.number, 1);
  assert.equal(one.relation('hr', 'staff')?.column('gone'), undefined);
  assert.deepEqual(one.columnsOf('hr', 'nothing'), []);
  assert.equal(one.columnsOf('hr', 'toString'), undefined);
  assert.equal(one.relationByOid(1), undefined);
});
