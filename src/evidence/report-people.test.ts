import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeafRecord } from '../ledger/leaf.ts';
import { Populations } from './populations.ts';
import { people } from './report-people.ts';

const take = (populations: Populations, leaf: number, entity: string, after: { id: string }): void => {
  const actor = { kind: 'system', id: 'postern', name: 'postern' };
  const change = { entity, id: after.id, before: null, after };
  populations.take(leaf, {
    id: `r${leaf}`,
    time: '2026-01-01T00:00:00.000000Z',
    type: 'x',
    actor,
    change,
  } as unknown as LeafRecord);
};
const person = (id: string, roles: string[], status = 'active') => ({
  id,
  name: `Person ${id}`,
  roles,
  status,
});

test('evidence names roles that do not go together, a lonely administrator, and who comes in by tokens only', () => {
  const populations = new Populations();
  take(populations, 0, 'person', person('a', ['admin', 'auditor']));
  take(populations, 1, 'person', person('b', ['approver']));
  take(populations, 2, 'person', person('c', ['owner']));
  take(populations, 3, 'person', person('d', ['admin'], 'disabled'));
  take(populations, 4, 'authenticator', {
    id: 'k',
    person: { id: 'a' },
    kind: 'passkey',
    status: 'active',
  } as { id: string });
  const { text } = people(populations, 'log');
  assert.match(text, /Person a is admin and auditor/);
  assert.match(text, /Person a alone administers/);
  assert.match(text, /Person b has rights over access and comes in by API tokens only/);
  assert.match(text, /passkey \(1\)/);
  assert.doesNotMatch(text, /Person c has rights|Person d/);
});

test('a package of one principal says nothing of people: it does not hold what they sign in by', () => {
  const populations = new Populations();
  take(populations, 0, 'person', person('a', ['admin', 'auditor']));
  assert.equal(people(populations, 'principal').text, '');
});

test('people without anything doubtful are told as such', () => {
  const populations = new Populations();
  for (const [leaf, id] of ['a', 'b'].entries()) {
    take(populations, leaf * 2, 'person', person(id, ['admin']));
    take(populations, leaf * 2 + 1, 'authenticator', {
      id: `k${id}`,
      person: { id },
      kind: 'oidc',
      status: 'active',
    } as { id: string });
  }
  assert.match(
    people(populations, 'log').text,
    /Nobody has roles that do not go together, and more than one person/,
  );
});
