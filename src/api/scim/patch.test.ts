import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ScimError } from './errors.ts';
import { patched } from './patch.ts';

const SCHEMAS = ['urn:ietf:params:scim:api:messages:2.0:PatchOp'];
const patch = (resource: Record<string, unknown>, ...operations: object[]) =>
  patched(resource, { schemas: SCHEMAS, Operations: operations });
const GROUP = { id: 'g', displayName: 'Admins', members: [{ value: 'a' }, { value: 'b' }] };
const USER = {
  id: 'u',
  userName: 'ada',
  active: true,
  name: { formatted: 'Ada' },
  emails: [
    { type: 'work', value: 'w@x.test' },
    { type: 'home', value: 'h@x.test' },
  ],
};

test('the examples of RFC 7644 section 3.5.2 and what Okta and Entra send come out as they mean', () => {
  const members = (result: Record<string, unknown>) =>
    (result.members as { value: string }[] | undefined)?.map(({ value }) => value);
  const add = { op: 'add', path: 'members', value: [{ display: 'Babs', value: 'c' }] };
  assert.deepEqual(members(patch(GROUP, add)), ['a', 'b', 'c']);
  assert.deepEqual(members(patch(GROUP, add, add)), ['a', 'b', 'c'], 'a member is one once');
  assert.deepEqual(members(patch(GROUP, { op: 'Add', path: 'members', value: { value: 'c' } })), [
    'a',
    'b',
    'c',
  ]);
  assert.deepEqual(members(patch(GROUP, { op: 'remove', path: 'members[value eq "a"]' })), ['b']);
  assert.deepEqual(members(patch(GROUP, { op: 'remove', path: 'members', value: [{ value: 'b' }] })), ['a']);
  assert.deepEqual(members(patch(GROUP, { op: 'remove', path: 'members' })), undefined);
  assert.deepEqual(members(patch(GROUP, { op: 'replace', path: 'members', value: [{ value: 'z' }] })), ['z']);
  const replaced = patch(GROUP, {
    op: 'replace',
    value: { id: 'g', displayName: 'New', members: [] },
  } as object);
  assert.deepEqual([replaced.displayName, replaced.members], ['New', []]);
  assert.equal(patch(USER, { op: 'replace', value: { active: false } }).active, false);
  assert.equal(patch(USER, { op: 'Replace', path: 'active', value: 'False' }).active, 'False');
  assert.deepEqual(
    patch(USER, { op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x.test' }).emails,
    [
      { type: 'work', value: 'n@x.test' },
      { type: 'home', value: 'h@x.test' },
    ],
  );
  const without = patch(USER, { op: 'remove', path: 'emails[type eq "home" and value eq "h@x.test"]' });
  assert.equal((without.emails as []).length, 1);
  const made = patch({ id: 'u' }, { op: 'add', path: 'emails[type eq "work"].value', value: 'n@x.test' });
  assert.deepEqual(made.emails, [{ type: 'work', value: 'n@x.test' }]);
  assert.deepEqual(patch(USER, { op: 'replace', path: 'name.familyName', value: 'B' }).name, {
    formatted: 'Ada',
    familyName: 'B',
  });
  const urn = 'urn:ietf:params:scim:schemas:core:2.0:User:userName';
  assert.equal(patch(USER, { op: 'replace', path: urn, value: 'new' }).userName, 'new');
  assert.equal(patch(USER, { op: 'add', value: { 'name.familyName': 'B' } }).userName, 'ada');
});

test('the resource that was given stays as it was', () => {
  const before = structuredClone(USER);
  patch(
    USER,
    { op: 'replace', path: 'emails[type eq "work"].value', value: 'x' },
    { op: 'remove', path: 'name' },
  );
  assert.deepEqual(USER, before);
});

test('what is no patch, or reaches for what is the server’s own, is refused in the words of SCIM', () => {
  const refused: [operation: object, scimType: string][] = [
    [{ op: 'move', path: 'a' }, 'invalidSyntax'],
    [{ path: 'a', value: 1 }, 'invalidSyntax'],
    [{ op: 'remove' }, 'noTarget'],
    [{ op: 'replace', value: 'text' }, 'invalidValue'],
    [{ op: 'replace', path: 'id', value: 'x' }, 'mutability'],
    [{ op: 'replace', value: { id: 'x' } }, 'mutability'],
    [{ op: 'remove', path: 'meta.version' }, 'mutability'],
    [{ op: 'add', path: 'groups', value: [] }, 'mutability'],
    [{ op: 'add', path: 'a[', value: 1 }, 'invalidPath'],
    [{ op: 'add', path: '', value: 1 }, 'invalidPath'],
    [{ op: 'add', path: '__proto__.x', value: 1 }, 'invalidPath'],
    [{ op: 'add', path: 'constructor.prototype', value: 1 }, 'invalidPath'],
    [{ op: 'add', path: 'name.__proto__', value: { x: 1 } }, 'invalidPath'],
    [{ op: 'replace', path: 'emails[type co "w"].value', value: 1 }, 'invalidFilter'],
    [{ op: 'replace', path: 'emails[type eq "none"]', value: {} }, 'noTarget'],
  ];
  for (const [operation, scimType] of refused) {
    assert.throws(
      () => patch(USER, operation),
      (error: ScimError) => error.scimType === scimType,
      JSON.stringify(operation),
    );
  }
  for (const body of [
    null,
    [],
    {},
    { schemas: SCHEMAS },
    { schemas: [], Operations: [{}] },
    { schemas: SCHEMAS, Operations: [] },
  ]) {
    assert.throws(() => patched(USER, body), ScimError);
  }
  assert.equal(({} as { x?: number }).x, undefined);
});

test('no operation makes it do anything but answer or refuse', () => {
  const op = fc.constantFrom('add', 'replace', 'remove');
  const path = fc.oneof(
    fc.constantFrom('members', 'emails[type eq "work"].value', 'name.x', 'members[value eq "a"]'),
    fc.string(),
  );
  const operation = fc.record({ op, path, value: fc.jsonValue() }, { requiredKeys: ['op'] });
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 6 }), (operations) => {
      try {
        assert.equal(patch({ ...USER, ...GROUP }, ...operations).id, 'g');
      } catch (error) {
        assert.ok(error instanceof ScimError, String(error));
      }
    }),
    { numRuns: 400 },
  );
});
