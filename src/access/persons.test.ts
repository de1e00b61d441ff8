import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeRecord } from '../core/record.ts';
import { CONFLICTS } from '../core/role-conflicts.ts';
import { personActor } from '../identity/persons.ts';
import type { Role } from '../store/entities.ts';
import { testControl } from './control.fixture.ts';

const ED = { name: 'Ed', email: 'ed@example.org', roles: ['owner'] } as const;

test('nobody changes their own roles, neither up nor down; a name they may', async (context) => {
  const { control, actor, admin } = await testControl(context);
  for (const roles of [['admin'], ['admin', 'owner', 'approver', 'reviewer']] as const) {
    await assert.rejects(control.persons.update(actor, admin.id, { roles }, 'why'), {
      code: 'POSTERN_FORBIDDEN',
    });
  }
  const { roles } = admin;
  const renamed = await control.persons.update(actor, admin.id, { name: 'Ada B', roles }, 'married');
  assert.deepEqual([renamed.name, renamed.roles], ['Ada B', roles]);
});

test('the last active administrator stays one, also where two remove each other at the same time', async (context) => {
  const { control, actor, admin } = await testControl(context);
  const two = await control.persons.create(actor, { ...ED, roles: ['admin'] });
  const done = await Promise.allSettled([
    control.persons.update(actor, two.id, { roles: ['owner'] }, 'a'),
    control.persons.update(personActor(two), admin.id, { roles: ['owner'] }, 'b'),
  ]);
  assert.deepEqual(done.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const left = (await control.persons.list({ limit: 9 })).filter(({ roles }) => roles.includes('admin'));
  assert.equal(left.length, 1);
  await assert.rejects(control.persons.disable(actor, left[0]?.id ?? '', 'x'), /last active administrator/);
});

test('roles of a pair that one person must not have are refused at creation, change and return', async (context) => {
  const { control, actor } = await testControl(context);
  for (const [a, b] of CONFLICTS) {
    await assert.rejects(control.persons.create(actor, { ...ED, roles: [a as Role, b as Role] }), {
      code: 'POSTERN_CONFLICT',
    });
  }
  const ed = await control.persons.create(actor, ED);
  await assert.rejects(control.persons.update(actor, ed.id, { roles: ['auditor', 'admin'] }, 'x'), {
    code: 'POSTERN_CONFLICT',
  });
});

test('a change of roles is a record with its reason, before and after; none changes nothing', async (context) => {
  const { control, actor, sink } = await testControl(context);
  const ed = await control.persons.create(actor, ED);
  await control.persons.update(actor, ed.id, { roles: ['reviewer'] }, 'CHG-7');
  const [last] = sink.changes().slice(-1) as [ChangeRecord];
  assert.equal(last.type, 'person.updated');
  assert.equal(last.reason, 'CHG-7');
  assert.deepEqual((last.change.before as typeof ed).roles, ['owner']);
  assert.deepEqual((last.change.after as typeof ed).roles, ['reviewer']);
  await assert.rejects(control.persons.update(actor, ed.id, { roles: ['reviewer'] }, 'x'), /Nothing/);
  await assert.rejects(control.persons.update(actor, ed.id, { email: 'ADA@example.org' }, 'x'), {
    code: 'POSTERN_CONFLICT',
  });
});
